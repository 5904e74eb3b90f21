import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { findModel } from './catalogue.ts'
import { costMicros, type Prices, price, tokensFor } from './prices.ts'

const config = readConfig({ ...inject('vars'), ANTHROPIC_API_KEY: 'k', AI_PROVIDERS: 'anthropic,offline' })
const findPrices = (name: string) => findModel(config, name)?.prices

const at = new Date('2026-11-21T00:00:00Z')
const usage = (
  inputTokens: number,
  outputTokens: number,
  cacheReadTokens = 0,
  cacheWriteTokens = 0,
  cacheWrite1hTokens = 0,
) => ({
  inputTokens,
  outputTokens,
  cacheReadTokens,
  cacheWriteTokens,
  cacheWrite1hTokens,
})

test.each([
  // 1,000 × 2 $/M + 500 × 10 $/M = 0.002 + 0.005 dollars
  ['claude-sonnet-5-5', usage(1000, 500), 7000],
  // 100,000 read from the cache at a twentieth of 2 $/M = 0.01 dollars
  ['claude-sonnet-5-5', usage(0, 0, 100_000), 10_000],
  // 10,000 written at 1.25 × 4 $/M = 0.05 dollars
  ['claude-opus-5-5', usage(0, 0, 0, 10_000), 50_000],
  // at most 100,000 tokens of prompt: 100,000 × 0.10 $/M + 1,000 × 0.50 $/M
  ['claude-haiku-5-5', usage(100_000, 1000), 10_500],
  // one more, and the whole request is dearer: 100,001 × 0.50 $/M + 1,000 × 2.50 $/M
  ['claude-haiku-5-5', usage(100_001, 1000), 52_501],
  // what was read from the cache is prompt too, and its tenth is a tenth of the dearer price: 60,000 × 0.50 + 40,001 × 0.05
  ['claude-haiku-5-5', usage(60_000, 0, 40_001), 32_001],
  // 10,000 written for an hour at twice 2 $/M
  ['claude-sonnet-5-5', usage(0, 0, 0, 0, 10_000), 40_000],
  // a million read at a fortieth of 10 $/M, and at a tenth of 5 $/M
  ['claude-fable-5-1', usage(0, 0, 1_000_000), 250_000],
  ['claude-opus-5', usage(0, 0, 1_000_000), 500_000],
  ['claude-sonnet-5-5-20260801', usage(1, 0), 2],
  ['offline-1', usage(5000, 5000), 0],
])('%s %o costs %i micro-dollars', (model, tokens, expected) => {
  const prices = findPrices(model)
  expect(prices && costMicros(prices, tokens, at)).toBe(expected)
})

test('a batch is half the price, rounded up once', () => {
  const prices = findPrices('claude-sonnet-5-5')
  expect(prices && costMicros(prices, usage(1000, 500), at, true)).toBe(3500)
  expect(prices && costMicros(prices, usage(1, 0, 1), at, true)).toBe(2)
})

test('usage is priced at the day it happened', () => {
  const prices: Prices = [price('2026-01-01', 2, 10), price('2026-12-01', 1, 5)]
  const on = (day: string) => costMicros(prices, usage(1000, 0), new Date(day))
  expect([on('2025-06-01'), on('2026-11-30T23:59:59Z'), on('2026-12-01T00:00:00Z')]).toEqual([2000, 2000, 1000])
})

test('a model without a price has none, whatever it is called', () => {
  for (const model of ['gpt-unknown', 'constructor', 'toString', 'claude-sonnet-5-5-preview', '', '-20260801'])
    expect(findPrices(model)).toBeUndefined()
  expect(findPrices('claude-haiku-4-5-20251001')).toBe(findPrices('claude-haiku-4-5'))
})

test('a day before the first price is paid for at the first', () => {
  const prices = findPrices('claude-sonnet-5-5')
  expect(prices && costMicros(prices, usage(1000, 0), new Date('2025-01-01'))).toBe(2000)
})

test('money buys fewer tokens where the prompt is in the dearer band', () => {
  const prices: Prices = [{ ...price('2026-01-01', 1, 2), longPrompt: { over: 100, input: 4e6, output: 8e6 } }]
  expect(tokensFor(prices, at, 100, true)?.(80)).toEqual({ input: 80, output: 40 })
  expect(tokensFor(prices, at, 101, true)?.(80)).toEqual({ input: 20, output: 10 })
})

test('what says nothing is paid for what it reads, and what costs nothing is bought without end', () => {
  const [reader, free]: Prices[] = [[price('2026-01-01', 1, 0)], [price('2026-01-01', 0, 0)]]
  expect(reader && tokensFor(reader, at, 1, false)?.(80)).toEqual({ input: 80, output: 80 })
  expect(reader && tokensFor(reader, at, 1, true)).toBeUndefined()
  expect(free && tokensFor(free, at, 1, false)).toBeUndefined()
})
