import type { Usage } from './model.ts'

/** Micro-dollars for a million tokens: what a model's tokens cost from a day on. */
type Price = {
  from: string
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
  longPrompt?: { over: number; input: number; output: number }
}

/** One model's prices, the oldest first. */
export type Prices = [Price, ...Price[]]

const dollars = (value: number) => Math.round(value * 1_000_000)
const price = (input: number, output: number, readFactor: number): Price => ({
  from: '2026-01-01',
  input: dollars(input),
  output: dollars(output),
  cacheRead: dollars(input * readFactor),
  cacheWrite: dollars(input * 1.25),
})

// Anthropic's price list, November 2026; a cache write is of the five-minute kind.
const PRICES: Record<string, Prices> = {
  'claude-haiku-5-5': [
    { ...price(0.1, 0.5, 0.1), longPrompt: { over: 100_000, input: dollars(0.5), output: dollars(2.5) } },
  ],
  'claude-sonnet-5-5': [price(2, 10, 0.05)],
  'claude-opus-5-5': [price(4, 20, 0.05)],
  'claude-fable-5-1': [price(10, 50, 0.025)],
  'claude-opus-5': [price(5, 25, 0.1)],
  'claude-sonnet-5': [price(2, 10, 0.1)],
  'claude-haiku-4-5': [price(1, 5, 0.1)],
  'offline-1': [{ from: '2026-01-01', input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }],
}

/** A model without a price is refused before it is called. Dated snapshots cost what their model costs. */
export function findPrices(model: string): Prices | undefined {
  const name = model.replace(/-20\d{6}$/, '')
  return Object.hasOwn(PRICES, name) ? PRICES[name] : undefined
}

/** Whole micro-dollars, rounded up, at the price of the day `at`. */
export function costMicros(prices: Prices, usage: Usage, at: Date): number {
  const day = at.toISOString().slice(0, 10)
  const current = prices.findLast(({ from }) => from <= day) ?? prices[0]
  const prompt = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
  const long = current.longPrompt && prompt > current.longPrompt.over ? current.longPrompt : undefined
  const scale = long ? long.input / current.input : 1
  const total =
    usage.inputTokens * current.input * scale +
    usage.cacheReadTokens * current.cacheRead * scale +
    usage.cacheWriteTokens * current.cacheWrite * scale +
    usage.outputTokens * (long?.output ?? current.output)
  return Math.ceil(total / 1_000_000)
}
