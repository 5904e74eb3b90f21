import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { conversationsSaying } from '#assistant'
import { conversations, messages } from '#assistant/tables'
import { databaseFailure } from '#database'
import { memories } from '#memories/tables'
import { propose } from '#proactivity'
import { createTask, deleteTask } from '#tasks'
import { makePerson, type Person, revoke } from '#test/database'
import { act, makeLearner, offer } from '#test/suggestions'
import { searchTools } from './search.ts'

const [search] = searchTools
const find = async (person: Person, input: object) => (await search?.run(person, input))?.output
const text = (said: string) => ({ type: 'text', text: said })

async function saying(person: Person, title: string, ...answers: object[][]): Promise<string> {
  const id = person.newId('cnv')
  const { userId } = person.actor
  await person.db.insert(conversations).values({ id, userId, title })
  const row = { userId, conversationId: id, role: 'assistant' as const, status: 'done' as const }
  for (const parts of answers)
    await person.db.insert(messages).values({ ...row, id: person.newId('msg'), turnId: person.newId('turn'), parts })
  return id
}

test('a conversation is found by what was said in it, and not by what its tools were given and answered', async () => {
  const person = await makePerson()
  const call = { type: 'tool_call', id: 'c1', name: 'search_memories', input: { text: 'saffron' } }
  const result = { type: 'tool_result', callId: 'c1', name: 'search_memories', output: ['saffron'], isError: false }
  await saying(person, 'Spices', [call, result, text('Nothing is known.')])
  const id = await saying(person, 'Rice', [text('Take saffron.')], [text(`More ${'rice '.repeat(80)}and SAFFRON.`)], [])
  expect(await find(person, { query: 'saffron' })).toMatchObject({
    results: [{ kind: 'conversations', id, title: 'Rice', excerpt: expect.stringContaining('and SAFFRON.') }],
  })
})

test('what was forgotten, deleted or never said is not found; what was offered is', async () => {
  const { ctx, clock } = await makeLearner('2026-11-23T10:00:00.000Z')
  const memory = { userId: ctx.actor.userId, kind: 'fact' as const, text: 'The roses are red' }
  await ctx.db.insert(memories).values({ ...memory, id: ctx.newId('mem'), deletedAt: clock.now })
  await deleteTask(ctx, (await createTask(ctx, { title: 'Cut the roses' })).id)
  const offered = await propose(ctx, offer({ title: 'Water the roses', actions: [act('one')] }, clock.now))
  expect(await find(ctx, { query: 'the roses' })).toMatchObject({ results: [{ kind: 'suggestions', id: offered.id }] })
})

test('all kinds are one trip, for a session that lives', async () => {
  const person = await makePerson()
  const before = person.meter.trips
  expect(await find(person, { query: 'anything' })).toMatchObject({ results: [], more: false })
  expect(person.meter.trips).toBe(before + 1)
  await revoke(person)
  const refused = await find(person, { query: 'anything' }).catch(databaseFailure)
  expect(refused).toMatchObject({ code: 'session_ended' })
})

test('eight words are looked for at most, and in each message once put together', async () => {
  const person = await makePerson()
  const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']
  const id = await saying(person, 'Count', [text(words.join(' '))])
  expect(await find(person, { query: `${words.join(' ')} one` })).toMatchObject({ results: [{ id }] })
  const refused = { code: 'invalid_request', message: expect.stringContaining('8 words at most') }
  await expect(find(person, { query: `${words.join(' ')} nine` })).rejects.toMatchObject(refused)
  const saying8 = conversationsSaying(person, { words, limit: 21 })
  const { rows } = await person.db.execute<Record<string, string>>(sql`explain (verbose) ${saying8}`)
  const plan = rows.flatMap(Object.values).join('\n')
  expect(plan.match(/jsonb_array_elements\(/g)).toHaveLength(1)
})
