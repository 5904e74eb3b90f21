import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { type DomainEvent, defineTool, s } from '#core'
import { consume } from '#queue'
import { outbox } from '#queue/tables'
import { embeddings } from '#search/tables'
import { makePerson, type Person, revoke } from '#test/database'
import { withEmbeddings } from '#test/embeddings'
import { cacheSubscriber, clearCache, type Found, findCached, keepCached, pruneAnswers } from './cache.ts'
import { cacheability } from './cacheable.ts'
import type { Call } from './call.ts'
import type { ModelRequest } from './model.ts'
import { cachedAnswers, changedSources } from './tables.ts'

let local: Awaited<ReturnType<typeof withEmbeddings>>
beforeAll(async () => {
  local = await withEmbeddings(inject('vars'))
})
afterAll(() => local.stop())

const AT = '2026-11-22T09:00:00.000Z'
const NO_ONE = 'usr_00000000000000000000000000'
const said = (text: string) => ({ role: 'user' as const, at: AT, parts: [{ type: 'text' as const, text }] })
const replied = (text: string) => ({ role: 'assistant' as const, parts: [{ type: 'text' as const, text }] })

function callOf(text: string, request: Partial<ModelRequest> = {}, more: Partial<Call> = {}): Call {
  return {
    kind: 'chat',
    feature: 'compat.openai',
    share: { sources: [] },
    request: {
      system: 'Be brief.',
      volatileSystem: '',
      messages: [said(text)],
      tools: [],
      maxOutputTokens: 500,
      ...request,
    },
    ...more,
  }
}
const answer = (text: string) => ({ text, provider: 'anthropic', model: 'claude-haiku-5-5', callId: 'aic_1' })

async function placeOf(person: Person, call: Call) {
  const found = await findCached(person, call)
  if (found.state !== 'miss') throw new Error(`${found.state}: ${found.reason}`)
  return found.place
}
async function keep(person: Person, call: Call, text: string) {
  expect(await keepCached(person, await placeOf(person, call), answer(text))).toBe(true)
}
const withMeaning = () => makePerson({ config: local.config })
const textOf = (found: Found) => ('answer' in found ? `${found.state}: ${found.answer.text}` : found.state)
const age = (person: Person, hours: number) =>
  person.db
    .update(cachedAnswers)
    .set({ createdAt: new Date(Date.now() - hours * 3_600_000) })
    .where(eq(cachedAnswers.userId, person.actor.userId))

test('the same request is answered again for 48 hours, in one trip, and counted', async () => {
  const person = await makePerson()
  const call = callOf('What is compound interest?')
  await keep(person, call, 'Interest on interest.')
  person.meter.trips = 0
  const found = await findCached(person, callOf('  What is compound interest?\r\n'))
  expect(found).toMatchObject({ state: 'exact', answer: answer('Interest on interest.') })
  expect(found.reason).toMatch(/^asked before in the same words, \d{4}-\d\d-\d\d \d\d:\d\d UTC$/)
  expect(person.meter.trips).toBe(1)
  const [row] = await person.db.select().from(cachedAnswers).where(eq(cachedAnswers.userId, person.actor.userId))
  expect(row?.hits).toBe(1)
  await age(person, 47.9)
  expect((await findCached(person, call)).state).toBe('exact')
  await age(person, 48.1)
  expect(await findCached(person, call)).toMatchObject({ state: 'miss', reason: /no embeddings/ })
})

test('a request that asks the same is answered for 72 hours, one that nearly does is not, and both say why', async () => {
  const person = await withMeaning()
  await keep(person, callOf('How do I remove a stripped screw?'), 'With a rubber band.')
  const same = callOf("What's the best way to remove a stripped screw?")
  const found = await findCached(person, same)
  expect(found).toMatchObject({ state: 'semantic', answer: { text: 'With a rubber band.' } })
  expect(found.reason).toMatch(/^asks what was asked .* \(cosine 0\.\d\d\)$/)
  expect(await findCached(person, callOf('How do I remove a rusty screw?'))).toMatchObject({
    state: 'miss',
    reason: /^the nearest differs \(cosine 0\.\d\d\): other words$/,
  })
  expect(await findCached(person, callOf('Who was the first emperor of Rome?'))).toMatchObject({
    reason: 'nothing kept means nearly the same',
  })
  await age(person, 71.9)
  expect((await findCached(person, same)).state).toBe('semantic')
  await age(person, 72.1)
  expect(await findCached(person, same)).toMatchObject({ state: 'miss', reason: 'the nearest was no longer kept' })
})

test('whatever else of the request differs, the answer is not given', async () => {
  const person = await withMeaning()
  const text = 'How do I make pancakes?'
  const history = [said('I cook for children.'), replied('Good.')]
  await keep(person, callOf(text, { messages: [...history, said(text)] }), 'Small ones.')
  const asked = (request: Partial<ModelRequest>, more: Partial<Call> = {}) =>
    findCached(person, callOf(text, { messages: [...history, said(text)], ...request }, more)).then(textOf)
  expect(await asked({})).toBe('exact: Small ones.')
  const differences: [string, Partial<ModelRequest>, Partial<Call>?][] = [
    ['no history', { messages: [said(text)] }],
    ['another history', { messages: [said('I cook for soldiers.'), replied('Good.'), said(text)] }],
    ['another answer before', { messages: [said('I cook for children.'), replied('Bad.'), said(text)] }],
    ['another system', { system: 'Be long.' }],
    ['another format', { format: 'json' }],
    ['a schema', { format: { name: 'a', schema: { type: 'object' } } }],
    ['another length', { maxOutputTokens: 50 }],
    ['a temperature', { temperature: 0.1 }],
    ['top p', { topP: 0.5 }],
    ['stop words', { stopSequences: ['x'] }],
    ['a tool choice', { toolChoice: 'none' }],
    ['a source', {}, { share: { sources: ['mem_1'] } }],
    ['a model', {}, { model: 'claude-opus-5-5' }],
    ['another kind', {}, { kind: 'draft' }],
  ]
  for (const [what, request, more] of differences) expect([what, await asked(request, more)]).toEqual([what, 'miss'])
  const meant = [...history, said('Please show me how to make pancakes')]
  expect(await asked({ messages: meant })).toBe('semantic: Small ones.')
  for (const [what, { messages, ...request }, more] of differences.slice(3))
    expect([what, await asked({ messages: messages ?? meant, ...request }, more)]).toEqual([what, 'miss'])
})

test('what may act, hangs on the hour, is long or is not shared is neither read nor kept, and the reason is told', () => {
  const tool = defineTool({ name: 'x', description: 'x', input: s.MomentInput, run: async () => ({ output: null }) })
  const asTool = { name: tool.name, description: tool.description, inputSchema: {} }
  const person = { now: AT, timeZone: 'UTC', locale: 'en', displayName: 'A', projects: [], memories: [] }
  const text = 'What is inflation?'
  const { share: _, ...unshared } = callOf(text)
  const result = { type: 'tool_result' as const, callId: 'c', name: 'x', output: 1, isError: false }
  const image = { type: 'image', data: 'x' } as unknown as ReturnType<typeof said>['parts'][0]
  const refused: [Call, RegExp][] = [
    [unshared, /does not share/],
    [callOf(text, { tools: [asTool] }), /tools may act/],
    [callOf(text, { closedTools: [asTool] }), /what tools did/],
    [callOf(text, { messages: [{ role: 'user', at: AT, parts: [result] }] }), /more than text/],
    [callOf(text, { messages: [{ role: 'user', at: AT, parts: [image, ...said(text).parts] }] }), /more than text/],
    [callOf(text, { person }), /only now/],
    [callOf(text, { volatileSystem: 'It is Monday.' }), /only now/],
    [callOf(text, { temperature: 0.31 }), /variety/],
    [callOf(text, {}, { kind: 'embed' }), /embed/],
    [callOf(text, {}, { share: { sources: ['usr_11111111111111111111111111'] } }), /another person/],
    [callOf(text, {}, { share: { sources: [''] } }), /kept track of/],
    [callOf(text, {}, { share: { sources: Array.from({ length: 201 }, (_, i) => `mem_${i}`) } }), /kept track of/],
    [callOf(text, { messages: [said(text), replied('a')] }), /nothing is asked/],
    [callOf('  '), /nothing is asked/],
    [callOf('x'.repeat(60_001)), /too long/],
    [callOf('a', { system: 'x'.repeat(60_000) }), /too long/],
    [callOf(text, { messages: [said('I leave tomorrow'), replied('ok'), said(text)] }), /when it is asked/],
  ]
  for (const [call, reason] of refused)
    expect(cacheability(call, NO_ONE)).toEqual({ ok: false, reason: expect.stringMatching(reason) })
  const timely = [
    "What's the weather in Paris?",
    'Summarise the latest news',
    'What is on THIS week?',
    'what time is it',
    'Who is the current president?',
    'Was muss ich heute tun?',
    'Qu\u2019est-ce que je fais aujourd\u2019hui ?',
    '\u00bfQu\u00e9 hago ma\u00f1ana?',
  ]
  for (const asked of timely) expect([asked, cacheability(callOf(asked), NO_ONE).ok]).toEqual([asked, false])
  const timeless = ['What do you know about knowing?', 'Explain the nowhere man', 'Who wrote The Dayton Times?']
  for (const asked of timeless) expect([asked, cacheability(callOf(asked), NO_ONE).ok]).toEqual([asked, true])
  expect(cacheability(callOf(text, {}, { share: { sources: [NO_ONE, 'mem_1'] } }), NO_ONE)).toEqual({ ok: true, text })
})

async function deliver(person: Person, event: Partial<DomainEvent> & { key: string; type: string }, times = 1) {
  const id = `${event.key}.${event.version ?? 2}.${event.type}`
  const { userId } = person.actor
  await person.db
    .insert(outbox)
    .values({ id, userId, version: 2, data: {}, ...event })
    .onConflictDoNothing()
  const acked: string[] = []
  for (let i = 0; i < times; i++) {
    const message = { id: `m${i}`, attempts: 1, ack: () => void acked.push(id), retry: () => undefined }
    await consume(
      { ...person, actor: { kind: 'system' } },
      [{ ...message, body: { v: 1, kind: 'event', outboxId: id } }],
      [cacheSubscriber],
    )
  }
  expect(acked).toHaveLength(times)
}

test('a change of what fed an answer forgets it, with its vector, also when it is told twice', async () => {
  const person = await withMeaning()
  const [mem, other] = [person.newId('mem'), person.newId('mem')]
  const fed = (source: string) => callOf('What do I like to eat?', {}, { share: { sources: [source] } })
  await keep(person, fed(mem), 'Soup.')
  await keep(person, fed(other), 'Bread.')
  await deliver(person, { key: mem, type: 'memory.created', version: 1 })
  expect((await findCached(person, fed(mem))).state).toBe('exact')
  await deliver(person, { key: mem, type: 'memory.updated' }, 2)
  expect(await findCached(person, fed(mem))).toMatchObject({
    state: 'miss',
    reason: 'the nearest was no longer kept',
  })
  expect(textOf(await findCached(person, fed(other)))).toBe('exact: Bread.')
  await deliver(person, { key: other, type: 'memory.deleted' })
  expect((await findCached(person, fed(other))).state).toBe('miss')
  await pruneAnswers({ ...person, actor: { kind: 'system' } })
  expect(await person.db.select().from(cachedAnswers).where(eq(cachedAnswers.userId, person.actor.userId))).toEqual([])
  const left = await person.db.select().from(embeddings).where(eq(embeddings.userId, person.actor.userId))
  expect(left).toEqual([])
})

test('an answer that was being made while what fed it changed is not kept', async () => {
  const person = await makePerson()
  const mem = person.newId('mem')
  const call = callOf('What do I like to eat?', {}, { share: { sources: [mem] } })
  const place = await placeOf(person, call)
  await deliver(person, { key: mem, type: 'memory.updated' })
  expect(await keepCached(person, place, answer('Soup.'))).toBe(false)
  expect((await findCached(person, call)).state).toBe('miss')
  await person.db
    .update(changedSources)
    .set({ changedAt: new Date(Date.now() - 600_000) })
    .where(eq(changedSources.source, mem))
  await keep(person, call, 'Bread.')
})

test('a newer answer replaces the older, and only whole ones are kept', async () => {
  const person = await withMeaning()
  const call = callOf('Write a haiku about autumn')
  const place = await placeOf(person, call)
  expect(await keepCached(person, place, answer(' \n'))).toBe(false)
  expect(await keepCached(person, place, answer('x'.repeat(100_001)))).toBe(false)
  await keepCached(person, place, answer('one'))
  await keepCached(person, place, answer('two'))
  expect(textOf(await findCached(person, call))).toBe('exact: two')
  expect(textOf(await findCached(person, callOf('Please write me a haiku about autumn')))).toBe('semantic: two')
})

test('where embeddings or vectors fail or are off the exact cache serves on', async () => {
  const vars = { ...inject('vars'), EMBEDDINGS_PROVIDER: 'workers-ai', EMBEDDINGS_MODEL: 'm=0/0' }
  const person = await makePerson({ config: readConfig(vars) })
  const AI = { run: () => Promise.reject(new Error('3040: out of capacity')) }
  const broken = { ...person, env: { EVENTS: person.env.EVENTS, AI } as unknown as Env }
  expect(await findCached(broken, callOf('What is GDP?'))).toMatchObject({ state: 'miss', reason: /do not answer/ })
  await keep(broken, callOf('What is GDP?'), 'A sum.')
  expect((await findCached(broken, callOf('What is GDP?'))).state).toBe('exact')
  const config = { ...local.config, ai: { ...local.config.ai, vectors: 'vectorize' as const } }
  const unbound = { ...person, config, env: {} as Env }
  expect(await findCached(unbound, callOf('What is GNP?'))).toMatchObject({ reason: /no store of vectors/ })
  expect(await findCached(person, callOf('x'.repeat(501)))).toMatchObject({ reason: /too long to compare/ })
})

test('a person clears theirs and nobody else\u2019s; an ended session reads, keeps and clears nothing', async () => {
  const [person, other] = [await withMeaning(), await withMeaning()]
  const call = callOf('What is a noun?')
  for (const one of [person, other]) await keep(one, call, 'A word.')
  const place = await placeOf(person, callOf('What is an adverb?'))
  await clearCache(person)
  expect((await findCached(person, call)).state).toBe('miss')
  expect((await findCached(other, call)).state).toBe('exact')
  const left = await person.db.select().from(embeddings).where(eq(embeddings.userId, person.actor.userId))
  expect(left).toEqual([])
  await revoke(other)
  await expect(findCached(other, call)).rejects.toThrow()
  await expect(clearCache(other)).rejects.toThrow()
  await revoke(person)
  await expect(keepCached(person, place, answer('A word.'))).rejects.toThrow()
})

test('what has expired is pruned with its vectors, and nothing else is', async () => {
  const [person, other] = [await withMeaning(), await withMeaning()]
  for (const one of [person, other]) await keep(one, callOf('What is a noun?'), 'A word.')
  await person.db
    .update(cachedAnswers)
    .set({ expiresAt: new Date(Date.now() - 1000) })
    .where(eq(cachedAnswers.userId, person.actor.userId))
  await pruneAnswers({ ...person, actor: { kind: 'system' } })
  const left = async ({ db, actor: { userId } }: Person) => [
    (await db.select().from(cachedAnswers).where(eq(cachedAnswers.userId, userId))).length,
    (await db.select().from(embeddings).where(eq(embeddings.userId, userId))).length,
  ]
  expect([await left(person), await left(other)]).toEqual([
    [0, 0],
    [1, 1],
  ])
})
