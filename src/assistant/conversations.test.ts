import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { makePerson, revoke } from '#test/database'
import {
  createConversation,
  deleteConversation,
  getConversation,
  listConversations,
  listMessages,
  renameConversation,
} from './conversations.ts'
import { modelMessages, split } from './history.ts'
import { openTurn } from './open.ts'
import { type Conversation, NewMessage } from './schema.ts'
import { conversations } from './tables.ts'
import { toModelTool, toolsFor } from './tools.ts'

const titled = (title: string) => ({ title })

test('conversations are listed by when they were last spoken in, each once', async () => {
  const person = await makePerson()
  const made: Conversation[] = []
  for (let i = 0; i < 5; i++) made.push(await createConversation(person, titled(`c${i}`)))
  const [first] = made
  // What was made in the same millisecond has no order but its id's.
  await person.db
    .update(conversations)
    .set({ updatedAt: sql`updated_at - interval '1 minute'` })
    .where(eq(conversations.userId, person.actor.userId))
  await openTurn(person, {
    turnId: person.newId('turn'),
    questionId: person.newId('msg'),
    answerId: person.newId('msg'),
    conversationId: first?.id ?? '',
    text: 'hi',
  })
  const one = await listConversations(person, { limit: 2 })
  const two = await listConversations(person, { limit: 9, cursor: one.nextCursor ?? '' })
  expect([...one.items, ...two.items].map(({ title }) => title)).toEqual(['c0', 'c4', 'c3', 'c2', 'c1'])
  await expect(listMessages(person, first?.id ?? '', { limit: 5, cursor: one.nextCursor ?? '' })).rejects.toMatchObject(
    { code: 'invalid_cursor' },
  )
})

test('the first words said become the title of a conversation without one', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, titled('New conversation'))
  await openTurn(person, {
    turnId: person.newId('turn'),
    questionId: person.newId('msg'),
    answerId: person.newId('msg'),
    conversationId: id,
    text: 'remind me\nto call',
  })
  expect((await getConversation(person, id)).title).toBe('remind me to call')
})

test('a title is cut between characters, holds no control characters, and is a new version', async () => {
  const person = await makePerson()
  const titleFor = async (text: string) => {
    const { id } = await createConversation(person, titled('New conversation'))
    const ids = { turnId: person.newId('turn'), questionId: person.newId('msg'), answerId: person.newId('msg') }
    await openTurn(person, { ...ids, conversationId: id, text })
    return await getConversation(person, id)
  }
  expect(await titleFor(`${'x'.repeat(59)}😀 and more`)).toMatchObject({ title: `${'x'.repeat(59)}😀`, version: 2 })
  expect(await titleFor('a\u0007\u001b[0m  b')).toMatchObject({ title: 'a [0m b', version: 2 })
  expect(await titleFor('\u0007')).toMatchObject({ title: 'New conversation', version: 1 })
})

test('a message says something', () => {
  for (const text of ['', ' ', '\n\t\u00a0']) expect(NewMessage.safeParse({ text }).success).toBe(false)
  expect(NewMessage.safeParse({ text: ' ok ' }).success).toBe(true)
})

test("another person's conversation does not exist, and an ended session reaches none", async () => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const { id } = await createConversation(owner, titled('mine'))
  const tries = [
    () => getConversation(stranger, id),
    () => listMessages(stranger, id, { limit: 5 }),
    () => renameConversation(stranger, id, 'x', '*'),
    () => deleteConversation(stranger, id),
  ]
  for (const attempt of tries) await expect(attempt()).rejects.toMatchObject({ code: 'not_found' })
  await revoke(owner)
  for (const missing of [id, owner.newId('cnv')]) {
    const thrown = await getConversation(owner, missing).catch((error: unknown) => error)
    expect(JSON.stringify(thrown)).toContain('AU401')
    await expect(listMessages(owner, missing, { limit: 5 })).rejects.not.toMatchObject({ code: 'not_found' })
    await expect(deleteConversation(owner, missing)).rejects.not.toMatchObject({ code: 'not_found' })
  }
})

test('renaming needs the version that was read', async () => {
  const person = await makePerson()
  const { id, version } = await createConversation(person, titled('a'))
  expect(await renameConversation(person, id, 'b', version)).toMatchObject({ title: 'b', version: version + 1 })
  await expect(renameConversation(person, id, 'c', version)).rejects.toMatchObject({ code: 'version_stale' })
})

const call = (id: string) => ({ type: 'tool_call' as const, id, name: 'find_tasks', input: {} })
const result = (callId: string) => ({
  type: 'tool_result' as const,
  callId,
  name: 'find_tasks',
  output: {},
  isError: false,
  undo: { tool: 'x', input: {}, says: 'y' },
})
const said = (text: string) => ({ type: 'text' as const, text })

test('an answer with tools is read by a model as calls, results and words, in turns', () => {
  const turns = split(
    [said('let me look'), call('1'), call('2'), result('1'), result('2'), said('done')],
    '2026-11-21T12:00:00Z',
  )
  expect(turns.map(({ role, parts }) => [role, parts.map(({ type }) => type)])).toEqual([
    ['assistant', ['text', 'tool_call', 'tool_call']],
    ['user', ['tool_result', 'tool_result']],
    ['assistant', ['text']],
  ])
  expect(JSON.stringify(turns)).not.toContain('undo')
})

test('a call that never got its result is given one', () => {
  const turns = split([call('1'), call('2'), result('1')], '2026-11-21T12:00:00Z')
  expect(turns[1]?.parts).toMatchObject([
    { callId: '1', isError: false },
    { callId: '2', isError: true },
  ])
})

test('a long history is cut at a question', () => {
  const message = (role: 'user' | 'assistant', text: string) => ({
    role,
    parts: [said(text)],
    createdAt: '2026-11-21T12:00:00Z',
  })
  const long = Array.from({ length: 20 }, (_, i) => message(i % 2 ? 'assistant' : 'user', 'x'.repeat(5000)))
  const read = modelMessages(long)([])
  expect(read.length).toBeLessThan(20)
  expect(read[0]?.role).toBe('user')
})

test('what a model refuses is never sent to it: blank texts, empty messages, inputs and results of no call', () => {
  const at = '2026-11-21T12:00:00Z'
  const past = modelMessages([
    { role: 'user', parts: [said(' ')], createdAt: at },
    { role: 'assistant', parts: [said('hello?')], createdAt: at },
    { role: 'user', parts: [said('hi')], createdAt: at },
    { role: 'assistant', parts: [said('\n\n'), { ...call('1'), input: '{"tit' }, result('0')], createdAt: at },
    { role: 'assistant', parts: [said('\n')], createdAt: at },
    { role: 'user', parts: [said('go on')], createdAt: at },
  ])
  const read = past([said(' '), { ...call('2'), input: null }, result('2')])
  expect(read.map(({ role, parts }) => [role, parts.map(({ type }) => type)])).toEqual([
    ['user', ['text']],
    ['assistant', ['tool_call']],
    ['user', ['tool_result']],
    ['user', ['text']],
    ['assistant', ['tool_call']],
    ['user', ['tool_result']],
  ])
  expect(read[1]?.parts[0]).toMatchObject({ input: {} })
  expect(read[2]?.parts).toMatchObject([{ callId: '1', isError: true }])
  expect(read[4]?.parts[0]).toMatchObject({ input: {} })
})

test('the turn under way takes its share of what a model reads, and its question always stays', () => {
  const at = '2026-11-21T12:00:00Z'
  const past = Array.from({ length: 10 }, () => ({
    role: 'user' as const,
    parts: [said('x'.repeat(5000))],
    createdAt: at,
  }))
  const results = [call('1'), { ...result('1'), output: 'y'.repeat(40_000) }]
  const read = modelMessages(past)
  expect(read([])).toHaveLength(10)
  expect(read(results)).toHaveLength(3 + 2)
  expect(read([call('1'), { ...result('1'), output: 'y'.repeat(90_000) }])).toHaveLength(1 + 2)
})

test('every tool is offered with a schema a model can read', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, titled('x'))
  const opened = await openTurn(person, {
    turnId: person.newId('turn'),
    questionId: person.newId('msg'),
    answerId: person.newId('msg'),
    conversationId: id,
    text: 'hi',
  })
  const tools = toolsFor(person, opened).map(toModelTool)
  expect(tools.length).toBeGreaterThan(20)
  expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length)
  for (const { inputSchema, description } of tools) {
    expect(inputSchema).toMatchObject({ type: 'object' })
    expect(description.length).toBeGreaterThan(20)
  }
})
