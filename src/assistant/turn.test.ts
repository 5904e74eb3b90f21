import { LLMock } from '@copilotkit/aimock'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { listSuggestions } from '#proactivity'
import { makePerson, type Person, revoke } from '#test/database'
import { closeTurn } from './close.ts'
import { createConversation, listMessages } from './conversations.ts'
import { partsFromEvents } from './live.ts'
import { openTurn } from './open.ts'
import { messages } from './tables.ts'
import { runTurn } from './turn.ts'

const mock = new LLMock({ port: 0 })
beforeAll(() => mock.start())
afterAll(() => mock.stop())

async function withModel(): Promise<Person> {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const vars = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: mock.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
  const config = readConfig({ ...inject('vars'), ...vars })
  return { ...person, config }
}

type Saying = { signal?: AbortSignal; confirms?: string[] }

async function say(person: Person, conversationId: string, text: string, saying: Saying = {}) {
  const { signal = new AbortController().signal, confirms = [] } = saying
  const request = {
    confirms,
    turnId: person.newId('turn'),
    questionId: person.newId('msg'),
    answerId: person.newId('msg'),
    conversationId,
    text,
  }
  const told: { event: string; data: object }[] = []
  const opened = await openTurn(person, request)
  const result = await runTurn(person, opened, { signal, emit: (event, data) => void told.push({ event, data }) })
  const message = await closeTurn(person, request.answerId, result)
  return { request, opened, result, message, told }
}

test('opening a turn is one trip: question, empty answer, history and the prompt facts', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'New conversation' })
  person.meter.trips = 0
  const request = {
    turnId: person.newId('turn'),
    questionId: person.newId('msg'),
    answerId: person.newId('msg'),
    conversationId: id,
    text: 'hi',
  }
  const opened = await openTurn(person, request)
  expect(person.meter.trips).toBe(1)
  expect(opened).toMatchObject({
    fresh: true,
    history: [],
    person: { timeZone: 'Europe/Berlin', displayName: 'Test Person' },
  })
  expect(opened.question).toMatchObject({ role: 'user', text: 'hi', status: 'done' })
  expect(opened.answer).toMatchObject({ role: 'assistant', status: 'streaming' })
  expect((await openTurn(person, request)).fresh).toBe(false)
  expect((await listMessages(person, id, { limit: 10 })).items).toHaveLength(2)
})

test("another person's conversation and an ended session open nothing", async () => {
  const [owner, stranger] = [await withModel(), await withModel()]
  const { id } = await createConversation(owner, { title: 'Mine' })
  await expect(say(stranger, id, 'hi')).rejects.toMatchObject({ code: 'not_found' })
  await revoke(owner)
  await expect(say(owner, id, 'hi')).rejects.toThrow()
})

test('a turn calls tools, reads their results, answers, and shows what it cost', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'New conversation' })
  mock.on(
    { userMessage: 'remember tea', hasToolResult: false },
    { toolCalls: [{ name: 'remember', arguments: '{"text":"Likes green tea","kind":"preference"}' }] },
  )
  mock.on(
    { userMessage: 'remember tea', hasToolResult: true },
    { content: 'I will remember that.', usage: { input_tokens: 100, output_tokens: 20 } },
  )
  const { message, told, result } = await say(person, id, 'remember tea')
  expect(result.status).toBe('done')
  expect(message).toMatchObject({
    status: 'done',
    text: 'I will remember that.',
    model: 'claude-sonnet-5-5',
    provider: 'anthropic',
  })
  expect(message?.costMicros).toBeGreaterThan(0)
  expect(message?.parts.map(({ type }) => type)).toEqual(['tool_call', 'tool_result', 'text'])
  expect(told.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['tool.called', 'tool.finished', 'message.delta']),
  )
  expect(partsFromEvents(told, message?.id ?? '').map(({ type }) => type)).toEqual(['tool_call', 'tool_result', 'text'])
})

test('a tool that fails tells the model why, and the turn goes on', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  mock.on(
    { userMessage: 'finish nothing', hasToolResult: false },
    {
      toolCalls: [
        { name: 'complete_task', arguments: JSON.stringify({ id: person.newId('task') }) },
        { name: 'complete_task', arguments: '{"id":7}' },
        { name: 'no_such_tool', arguments: '{}' },
      ],
    },
  )
  mock.on({ userMessage: 'finish nothing', hasToolResult: true }, { content: 'I could not find it.' })
  const { message } = await say(person, id, 'finish nothing')
  const codes = message?.parts.flatMap((part) =>
    part.type === 'tool_result' ? [(part.output as { code: string }).code] : [],
  )
  expect(codes).toEqual(['not_found', 'invalid_request', 'not_found'])
  expect(message?.text).toBe('I could not find it.')
})

const idOfCall = ({ message }: Awaited<ReturnType<typeof say>>) =>
  message?.parts.flatMap((part) => (part.type === 'tool_call' ? part.id : []))[0] ?? ''

type Answering = { says?: string; taps?: boolean; makes?: 'another'; isTainted?: boolean; byKey?: boolean }

/** What comes of a call that was asked about, once the person has answered. */
async function answered({ says = 'yes', taps = true, makes, isTainted = false, byKey = false }: Answering) {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  const { createTask, getTask } = await import('#tasks')
  const [task, other] = [await createTask(person, { title: 'Report' }), await createTask(person, { title: 'Other' })]
  const words = person.newId('msg')
  const made = (of: string) => ({ name: 'delete_task', arguments: JSON.stringify({ id: of }) })
  mock.on({ userMessage: `delete ${words}`, hasToolResult: false }, { toolCalls: [made(task.id)] })
  mock.on({ userMessage: `delete ${words}`, hasToolResult: true }, { content: 'Delete “Report”?' })
  const asked = await say(person, id, `delete ${words}`)
  const read = { type: 'tool_result', callId: 'c0', name: 'forecast__read', output: {}, isError: false } as const
  if (isTainted && asked.message)
    await person.db
      .update(messages)
      .set({ parts: [read, ...asked.message.parts] })
      .where(eq(messages.id, asked.message.id))
  mock.on({ userMessage: `${says} ${words}` }, { toolCalls: [made(makes === 'another' ? other.id : task.id)] })
  const key = { id: 'key_1', scopes: ['tasks:read', 'tasks:write', 'conversations:write'], ratePerMinute: null }
  const by = byKey ? { ...person, actor: { ...person.actor, key } } : person
  const { message } = await say(by, id, `${says} ${words}`, { confirms: taps ? [idOfCall(asked)] : [] })
  const codes = message?.parts.flatMap((part) =>
    part.type === 'tool_result' ? [part.isError ? (part.output as { code: string }).code : 'done'] : [],
  )
  const isThere = async (of: string) => (await getTask(person, of).catch(() => null)) !== null
  return { person, message, asked, codes, left: [await isThere(task.id), await isThere(other.id)] }
}

test('a destructive tool does what was asked about once it is tapped, and once for each tap', async () => {
  const { asked, codes, left } = await answered({})
  expect(asked.message?.parts[1]).toMatchObject({ isError: true, output: { code: 'confirmation_required' } })
  expect(codes?.slice(0, 2)).toEqual(['done', 'confirmation_required'])
  expect(left).toEqual([false, true])
})

test.each([
  ['no word is a tap, whatever the model makes of it', { says: 'no', taps: false }],
  ['nor is a yes in words', { taps: false }],
  ['what was tapped is no other thing', { makes: 'another' }],
  ["a program's tap is none where words of others were read", { isTainted: true, byKey: true }],
] as const)('%s', async (_, answering) => {
  const { codes, left } = await answered(answering)
  expect(new Set(codes)).toEqual(new Set(['confirmation_required']))
  expect(left).toEqual([true, true])
})

test('a program taps where no words of others were read; where they were, a person does among their suggestions', async () => {
  expect((await answered({ byKey: true })).left).toEqual([false, true])
  const { person, message, left } = await answered({ isTainted: true })
  expect(left).toEqual([true, true])
  const { items } = await listSuggestions(person, { limit: 5 })
  expect(items).toMatchObject([{ kind: 'turn_approval', status: 'proposed', actions: [{ kind: 'delete_task' }] }])
  const waits = { code: 'confirmation_required', suggestionId: items[0]?.id }
  expect(message?.parts).toContainEqual(expect.objectContaining({ output: expect.objectContaining(waits) }))
})

test('what takes an act back is told apart from its output, and found again in the log', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  const made = { name: 'remember', arguments: '{"text":"Likes tea","kind":"fact"}' }
  mock.on({ userMessage: 'keep this', hasToolResult: false }, { toolCalls: [made] })
  mock.on({ userMessage: 'keep this', hasToolResult: true }, { content: 'Kept.' })
  const { message, told } = await say(person, id, 'keep this')
  const undo = { tool: 'forget', says: 'Forgot: Likes tea' }
  expect(told.find(({ event }) => event === 'tool.undoable')?.data).toMatchObject({ undo })
  expect(partsFromEvents(told, message?.id ?? '')).toEqual(message?.parts)
  expect(message?.parts[1]).toMatchObject({ undo })
})

test('a model that only calls tools is told to stop with its tools closed, not gone', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  mock.onMessage('round and round', { toolCalls: [{ name: 'get_time', arguments: '{}' }] })
  const { message } = await say(person, id, 'round and round')
  expect(message).toMatchObject({ status: 'failed', errorCode: 'model_failed' })
  expect(JSON.stringify(mock.getLastRequest()?.body)).toContain('The date and time now')
  expect(message?.parts.length).toBeGreaterThan(15)
})

test('a project made by mistake is put away, never deleted with what was put into it', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  mock.on(
    { userMessage: 'make a project', hasToolResult: false },
    { toolCalls: [{ name: 'create_project', arguments: '{"name":"Move"}' }] },
  )
  mock.on({ userMessage: 'make a project', hasToolResult: true }, { content: 'Made.' })
  const { message } = await say(person, id, 'make a project')
  expect(message?.parts[1]).toMatchObject({ undo: { tool: 'archive_project', input: { archived: true } } })
})

test('a cancelled turn keeps what it said', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  mock.onMessage(
    'a long story',
    { content: 'word '.repeat(300), usage: { input_tokens: 50, output_tokens: 1 } },
    { latency: 15, chunkSize: 5 },
  )
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 200)
  const { message } = await say(person, id, 'a long story', { signal: controller.signal })
  expect(message?.status).toBe('cancelled')
  expect(message?.text).toContain('word')
  expect(message).toMatchObject({ provider: 'anthropic', model: 'claude-sonnet-5-5' })
  expect(message?.totalMs).toBeGreaterThan(0)
  expect(message?.inputTokens).toBeGreaterThan(0)
  expect(message?.costMicros).toBeGreaterThan(0)
})

test('a turn that is stopped begins no more of what it was about to do, and keeps what was done', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  const calls = Array.from({ length: 9 }, (_, n) => ({ name: 'remember', arguments: `{"text":"fact ${n}"}` }))
  mock.on({ userMessage: 'nine facts', hasToolResult: false }, { toolCalls: calls })
  const controller = new AbortController()
  const opened = await openTurn(person, {
    turnId: person.newId('turn'),
    questionId: person.newId('msg'),
    answerId: person.newId('msg'),
    conversationId: id,
    text: 'nine facts',
  })
  const emit = (event: string) => void (event === 'tool.finished' && controller.abort())
  const { status, parts } = await runTurn(person, opened, { signal: controller.signal, emit })
  expect(status).toBe('cancelled')
  const done = parts.filter((part) => part.type === 'tool_result')
  expect(done).toHaveLength(6)
  expect(done.every((part) => part.type === 'tool_result' && part.undo)).toBe(true)
})

test('a model that fails ends the turn with its code', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'x' })
  mock.onMessage('break', { error: { message: 'no', type: 'invalid_request_error' }, status: 400 })
  const { message } = await say(person, id, 'break')
  expect(message).toMatchObject({ status: 'failed', errorCode: 'model_failed', model: 'claude-sonnet-5-5' })
  expect(message).toMatchObject({ inputTokens: 0, costMicros: 0, firstTokenMs: null, totalMs: expect.any(Number) })
})

test('an answer that was all thought and no word is a failure, and none that says nothing', async () => {
  const person = await withModel()
  const { id } = await createConversation(person, { title: 'New conversation' })
  mock.onMessage('think long', { content: '', finishReason: 'length' })
  const { result, message } = await say(person, id, 'think long')
  expect(result).toMatchObject({ status: 'failed', errorCode: 'model_failed', parts: [] })
  expect(message).toMatchObject({ status: 'failed', text: '' })
})
