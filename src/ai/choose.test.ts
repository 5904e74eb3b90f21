import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import type { Call } from './call.ts'
import { type Chooser, choose } from './choose.ts'
import { difficultyOf } from './difficulty.ts'
import type { ModelRequest } from './model.ts'

const CLAUDE = { ANTHROPIC_API_KEY: 'k' }
const LOCAL = { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', OPENAI_MODELS: 'llama=0/0@32768/4096#1' }

const request = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  system: 'You are Aurelius.',
  volatileSystem: '',
  messages: [{ role: 'user', at: '2026-11-23T09:00:00.000Z', parts: [{ type: 'text', text }] }],
  tools: [],
  maxOutputTokens: 500,
  ...more,
})
const call = (text: string, more: Partial<Call> = {}): Call => ({
  kind: 'chat',
  feature: 'assistant',
  request: request(text),
  ...more,
})
function chosen(more: Partial<Call> = {}, by: Partial<Chooser> = {}, vars: object = CLAUDE, text = 'remind me at 5') {
  const config = readConfig({ ...inject('vars'), ...vars })
  const standing = { plan: 'pro' as const, leftShare: 1 }
  return choose({ config, id: 'aic_1', userId: 'usr_1', standing, isAway: () => false, ...by }, call(text, more))
}
const nameOf = (...args: Parameters<typeof chosen>) => chosen(...args).decision.model

const HARD = Array.from(
  { length: 40 },
  (_, i) => `Weigh option ${i} against the others, and say what it would cost.`,
).join('\n')

test('a small request goes to a quick model, a hard one to an abler, and both say why', () => {
  expect(nameOf()).toBe('claude-haiku-5-5')
  expect(nameOf({}, {}, CLAUDE, HARD)).toBe('claude-sonnet-5-5')
  expect(nameOf({ kind: 'analyse', request: request(HARD.repeat(8)) })).toBe('claude-opus-5-5')
  expect(nameOf({ kind: 'classify', request: request(HARD.slice(0, 300)) })).toBe('claude-haiku-5-5')
  const { decision } = chosen({}, {}, CLAUDE, HARD)
  expect(decision.reasons[0]).toBe(`chat of difficulty ${decision.difficulty}: tier 2`)
  expect(decision.difficulty).toBeCloseTo(Object.values(decision.parts).reduce((a, b) => a + b, 0))
})

test('the score is made of how much is asked, not of which words', () => {
  expect(difficultyOf(request('analyse optimise prove refactor architecture')).score).toBeLessThan(0.1)
  expect(difficultyOf(request(HARD)).score).toBeGreaterThan(difficultyOf(request('hi')).score)
  const shape = { name: 'x', schema: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } } } }
  expect(difficultyOf(request('hi', { format: shape })).parts.shape).toBeGreaterThan(0)
})

test('a conversation keeps its model, unless it needs an abler one or that one is away', () => {
  const sonnet = { previousModel: 'claude-sonnet-5-5' }
  expect(nameOf(sonnet)).toBe('claude-sonnet-5-5')
  expect(nameOf({ previousModel: 'claude-haiku-5-5' }, {}, CLAUDE, HARD)).toBe('claude-sonnet-5-5')
  expect(nameOf(sonnet, { isAway: ({ name }) => name === 'claude-sonnet-5-5' })).toBe('claude-haiku-5-5')
  expect(nameOf({ previousModel: 'gone-1' })).toBe('claude-haiku-5-5')
})

test('the plan and what is left of the budget set a bound', () => {
  const hard = { kind: 'analyse' as const, request: request(HARD.repeat(8)) }
  expect(nameOf(hard, { standing: { plan: 'free', leftShare: 1 } })).toBe('claude-sonnet-5-5')
  expect(nameOf(hard, { standing: { plan: 'max', leftShare: 0.05 } })).toBe('claude-haiku-5-5')
  const kept = { ...hard, previousModel: 'claude-opus-5-5' }
  expect(nameOf(kept, { standing: { plan: 'max', leftShare: 0.05 } })).toBe('claude-haiku-5-5')
})

test('what does not fit a model is given to one it fits, or to none', () => {
  const long = { request: request('x'.repeat(200_000)) }
  expect(nameOf({}, {}, { ...CLAUDE, ...LOCAL, AI_PROVIDERS: 'openai-compatible,anthropic' })).toBe('llama')
  const both = { ...CLAUDE, ...LOCAL, AI_PROVIDERS: 'openai-compatible,anthropic' }
  expect(nameOf(long, {}, both)).toMatch(/^claude-/)
  expect(() => chosen(long, {}, LOCAL)).toThrow('No model can take this request')
})

test('the rules answer where they are named first, and only then before a model', () => {
  expect(nameOf({}, {}, { ...CLAUDE, AI_PROVIDERS: 'offline,anthropic' })).toBe('offline-1')
  expect(nameOf({}, {}, { ...CLAUDE, AI_PROVIDERS: 'anthropic,offline' })).toBe('claude-haiku-5-5')
})

test('what is tried next is another provider, then what is cheaper, and never an older model unasked', () => {
  const both = { ...CLAUDE, ...LOCAL }
  const names = chosen({}, {}, both, HARD).models.map(({ name }) => name)
  expect(names).toEqual(['claude-sonnet-5-5', 'llama', 'claude-haiku-5-5'])
})

test('a name is taken at its word, a dated one too; one that is not there is not found', () => {
  expect(nameOf({ model: 'claude-opus-5' })).toBe('claude-opus-5')
  expect(chosen({ model: 'claude-sonnet-5-5-20260801' }).models.map(({ name }) => name)).toEqual([
    'claude-sonnet-5-5-20260801',
  ])
  expect(() => chosen({ model: 'gpt-99' })).toThrow('There is no model gpt-99')
})

test('an experiment gives each person one side, in about its share', () => {
  const AI_EXPERIMENTS = JSON.stringify([{ id: 'opus', kind: 'chat', model: 'claude-opus-5-5', share: 0.25 }])
  const sides = Array.from({ length: 2000 }, (_, i) =>
    chosen({}, { userId: `usr_${i}` }, { ...CLAUDE, AI_EXPERIMENTS }),
  )
  const variants = sides.filter(({ decision }) => decision.experiment?.variant === 'variant')
  expect(variants.every(({ decision }) => decision.model === 'claude-opus-5-5')).toBe(true)
  expect(variants.length / sides.length).toBeGreaterThan(0.21)
  expect(variants.length / sides.length).toBeLessThan(0.29)
  expect(chosen({}, { userId: 'usr_7' }, { ...CLAUDE, AI_EXPERIMENTS }).decision.experiment).toEqual(
    sides[7]?.decision.experiment,
  )
  expect(chosen({ kind: 'draft' }, {}, { ...CLAUDE, AI_EXPERIMENTS }).decision.experiment).toBeNull()
  const unknown = JSON.stringify([{ id: 'x', kind: 'chat', model: 'gpt-99', share: 1 }])
  expect(() => chosen({}, {}, { ...CLAUDE, AI_EXPERIMENTS: unknown })).toThrow('a model that is not there')
})

test('what is asked for in JSON goes to nobody who cannot, and is refused where nobody can', () => {
  const json = request('two names', { format: 'json' })
  const rules = { AI_PROVIDERS: 'offline,anthropic' }
  expect(nameOf({ request: json }, {}, { ...CLAUDE, ...rules })).toMatch(/^claude/)
  expect(chosen({ request: json }, {}, { ...CLAUDE, ...rules }).models.map(({ name }) => name)).not.toContain(
    'offline-1',
  )
  expect(() => chosen({ request: json }, {}, {})).toThrow(/can do JSON/)
  expect(() => chosen({ request: json, model: 'offline-1' }, {}, {})).toThrow(/can do JSON/)
  const schema = request('two names', { format: { name: 'names', schema: { type: 'object' } } })
  expect(() => chosen({ request: schema }, {}, {})).toThrow(/can do JSON/)
})
