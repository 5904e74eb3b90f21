import type { Usage } from './model.ts'

/** Micro-dollars for a million tokens: what a model's tokens cost from a day on. */
export type Price = {
  from: string
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
  cacheWrite1h: number
  /** Of every part, where the call may wait; 1 where there is no batch price. */
  batchFactor: number
  /** A prompt of more than `over` tokens is dearer as a whole. */
  longPrompt?: { over: number; input: number; output: number }
}

/** One model's prices, the oldest first. */
export type Prices = [Price, ...Price[]]

const PER = 1_000_000
const dollars = (value: number) => Math.round(value * PER)

/** Prices in dollars for a million tokens; a write to the five-minute cache is 1.25 of the input, to the hour's 2. */
export function price(
  from: string,
  input: number,
  output: number,
  factors: { read?: number; write?: number; write1h?: number; batch?: number } = {},
): Price {
  const { read = 0.1, write = 1.25, write1h = 2, batch = 0.5 } = factors
  return {
    from,
    input: dollars(input),
    output: dollars(output),
    cacheRead: dollars(input * read),
    cacheWrite: dollars(input * write),
    cacheWrite1h: dollars(input * write1h),
    batchFactor: batch,
  }
}

/** The price that held on the day of `at`; a day before the first is paid for at the first. */
function priceAt(prices: Prices, at: Date): Price {
  const day = at.toISOString().slice(0, 10)
  return prices.findLast(({ from }) => from <= day) ?? prices[0]
}

/** How many tokens so much money buys with a prompt of this length; undefined where they cost nothing. What says nothing is paid for what it reads. */
export function tokensFor(
  prices: Prices,
  at: Date,
  promptTokens: number,
  hasOutput: boolean,
): ((micros: number) => { input: number; output: number }) | undefined {
  const current = priceAt(prices, at)
  const { input, output: said } = bandOf(current, promptTokens) ?? current
  const output = hasOutput ? said : input
  if (input === 0 || output === 0) return undefined
  return (micros) => ({ input: Math.floor((micros * PER) / input), output: Math.floor((micros * PER) / output) })
}

const bandOf = ({ longPrompt }: Price, promptTokens: number) =>
  longPrompt && promptTokens > longPrompt.over ? longPrompt : undefined

/** Whole micro-dollars, rounded up, at the price of the day `at`. */
export function costMicros(prices: Prices, usage: Usage, at: Date, isBatch = false): number {
  const current = priceAt(prices, at)
  const { inputTokens, cacheReadTokens, cacheWriteTokens, cacheWrite1hTokens, outputTokens } = usage
  const prompt = inputTokens + cacheReadTokens + cacheWriteTokens + cacheWrite1hTokens
  const long = bandOf(current, prompt)
  // The factors of the cache hold in both bands; integers throughout, so that no sum depends on its order.
  const input = long?.input ?? current.input
  const scaled = (tokens: number, rate: number) =>
    (BigInt(tokens) * BigInt(rate) * BigInt(input)) / BigInt(current.input || 1)
  const total =
    BigInt(inputTokens) * BigInt(input) +
    scaled(cacheReadTokens, current.cacheRead) +
    scaled(cacheWriteTokens, current.cacheWrite) +
    scaled(cacheWrite1hTokens, current.cacheWrite1h) +
    BigInt(outputTokens) * BigInt(long?.output ?? current.output)
  const whole = Number(total) * (isBatch ? current.batchFactor : 1)
  return Math.ceil(whole / PER)
}
