import Anthropic, { PermissionDeniedError as ClaudeDenied } from '@anthropic-ai/sdk'
import { LLMock } from '@copilotkit/aimock'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import OpenAI, { AuthenticationError, PermissionDeniedError, RateLimitError } from 'openai'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { codeOf, type MadeKey, makeKey } from './matrix-keys.ts'
import { openListener } from './proofs/lib-listener.ts'
import { type Person, startWorld, type World } from './world.ts'

const claude = new LLMock({ port: 0 })
const MODEL = 'claude-sonnet-5-5'
let world: World
beforeAll(async () => {
  await claude.start()
  world = await startWorld({
    // The rules answer as the assistant; Claude is there by its name.
    vars: { ANTHROPIC_API_KEY: 'test-key', ANTHROPIC_BASE_URL: claude.url, AI_PROVIDERS: 'offline,anthropic' },
  })
}, 60_000)
afterAll(async () => {
  await world.stop()
  await claude.stop()
})

async function makePerson(): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody was made')
  return person
}

const openai = ({ secret }: MadeKey) =>
  new OpenAI({ apiKey: secret, baseURL: `${world.url}/compat/openai/v1`, maxRetries: 0 })
const anthropic = ({ secret }: MadeKey) =>
  new Anthropic({ apiKey: secret, baseURL: `${world.url}/compat/anthropic`, maxRetries: 0 })
const user = (content: string) => ({ role: 'user' as const, content })
const dentist = { model: 'aurelius', messages: [user('remind me to call the dentist tomorrow at 9')] }
const titles = async (person: Person) =>
  JSON.parse((await person.api('GET', '/v1/tasks')).text).items.map(({ title }: { title: string }) => title)

test("OpenAI's client asks with a key, and the assistant does for it what the key may do and no more", async () => {
  const person = await makePerson()
  await makeKey(person)
  const able = await makeKey(person, { scopes: ['ai:read', 'ai:write', 'tasks:write', 'tasks:read'] })
  const mute = await makeKey(person, { scopes: ['ai:write'] })
  const refused = await openai(mute).chat.completions.create(dentist)
  expect(refused.choices[0]?.message.content).not.toBe('')
  expect(await titles(person)).toEqual([])
  const done = await openai(able).chat.completions.create(dentist)
  expect(done.choices[0]?.message.content).toContain('dentist')
  expect(await titles(person)).toEqual(['Call the dentist'])
  expect((await openai(able).models.list()).data.map(({ id }) => id)).toContain('aurelius')
  await expect(openai(mute).models.list()).rejects.toThrow(PermissionDeniedError)
  await expect(openai({ ...able, secret: `${able.secret}x` }).models.list()).rejects.toThrow(AuthenticationError)
})

test('a key spends on models what it may and no more, which takes nothing from what its person may', async () => {
  const person = await makePerson()
  const key = await makeKey(person, { scopes: ['ai:write'], budgetMicrosPerDay: 100_000 })
  const other = await makeKey(person, { scopes: ['ai:write'] })
  claude.onMessage('good evening', { content: 'Good evening.', usage: { input_tokens: 10, output_tokens: 5 } })
  const greet = (by: MadeKey) =>
    openai(by).chat.completions.create({ model: MODEL, max_tokens: 10, messages: [user('good evening')] })
  expect((await greet(key)).usage).toMatchObject({ cost_micros: 70 })
  const show = async () => (await person.api('GET', `/v1/api-keys/${key.id}`)).json
  expect(await show()).toMatchObject({ budgetMicrosPerDay: 100_000, spent: { dayMicros: 70, monthMicros: 70 } })
  const body = { budgetMicrosPerDay: 71 }
  await person.api('PATCH', `/v1/api-keys/${key.id}`, { body, headers: { 'if-match': '*' } })
  const refused = await greet(key).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(RateLimitError)
  expect(String(refused)).toContain('0.000001 USD is left of the budget of this API key')
  expect((await greet(other)).usage).toMatchObject({ cost_micros: 70 })
  expect(await show()).toMatchObject({ budgetMicrosPerDay: 71, spent: { dayMicros: 70 } })
  const usage = (await person.api('GET', '/v1/ai/usage')).json
  const spent = { calls: 1, costMicros: 70 }
  expect(usage).toMatchObject({ total: { costMicros: 140 }, keys: [{ total: spent }, { total: spent }] })
})

test("Anthropic's client sends it as x-api-key", async () => {
  const person = await makePerson()
  const able = await makeKey(person, { scopes: ['ai:write', 'tasks:write'] })
  const said = await anthropic(able).messages.create({ ...dentist, max_tokens: 200 })
  expect(said.content[0]).toMatchObject({ type: 'text', text: expect.stringContaining('dentist') })
  expect(await titles(person)).toEqual(['Call the dentist'])
  await expect(anthropic(await makeKey(person)).messages.create({ ...dentist, max_tokens: 200 })).rejects.toThrow(
    ClaudeDenied,
  )
})

async function connect({ secret }: MadeKey): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${secret}` } }
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', world.url), { requestInit })
  // The SDK's own types disagree on a session that may be undefined.
  await client.connect(transport as Parameters<Client['connect']>[0])
  return client
}

test('a host of MCP sees and calls with a key the tools and resources of its scopes', async () => {
  const person = await makePerson()
  const key = await makeKey(person, { scopes: ['mcp', 'tasks:read', 'memories:write'] })
  await person.api('POST', '/v1/tasks', { body: { title: 'Water the ferns' } })
  await person.api('POST', '/v1/memories', { body: { text: 'Likes ferns' } })
  const client = await connect(key)
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toEqual([
    'find_tasks',
    'task_insights',
    'remember',
    'update_memory',
    'forget',
    'recall',
    'search',
    'fetch',
  ])
  const found = await client.callTool({ name: 'find_tasks', arguments: {} })
  expect(JSON.stringify(found)).toContain('Water the ferns')
  await expect(client.callTool({ name: 'create_task', arguments: { title: 'x' } })).rejects.toThrow('Unknown tool')
  const { resources } = await client.listResources()
  expect(resources.map(({ title }) => title)).toEqual(['Water the ferns'])
  await client.close()
  await person.api('DELETE', `/v1/api-keys/${key.id}`)
  await expect(connect(key)).rejects.toThrow()
})

const TALK = ['ai:write', 'conversations:read', 'conversations:write'] as const

test('a turn that a key asks for has the tools of the key and knows what it may read', async () => {
  const person = await makePerson()
  await person.api('POST', '/v1/memories', { body: { text: 'My locker code is 4711' } })
  const talk = await makeKey(person, { scopes: TALK })
  const able = await makeKey(person, { scopes: [...TALK, 'tasks:write', 'memories:read'] })
  const say = async ({ secret }: MadeKey, text: string) => {
    const opened = await world.call('POST', '/v1/conversations', { token: secret, body: { title: 'x' } })
    const { id } = JSON.parse(opened.text)
    return await world.call('POST', `/v1/conversations/${id}/messages`, { token: secret, body: { text } })
  }
  expect((await say(talk, 'what is my locker code?')).text).not.toContain('4711')
  expect((await say(able, 'what is my locker code?')).text).toContain('4711')
  expect((await say(talk, 'remind me to call the dentist tomorrow at 9')).status).toBe(200)
  expect(await titles(person)).toEqual([])
  expect((await say(able, 'remind me to call the dentist tomorrow at 9')).status).toBe(200)
  expect(await titles(person)).toEqual(['Call the dentist'])
})

test('a socket opened by a key, and a stream it follows, end within a second of its revocation', async () => {
  const person = await makePerson()
  const reads = [
    'tasks',
    'projects',
    'calendar',
    'memories',
    'notifications',
    'schedules',
    'workflows',
    'effects',
    'conversations',
    'suggestions',
    'mail',
    'profile',
  ].map((area) => `${area}:read`)
  const key = await makeKey(person, { scopes: ['realtime', 'conversations:write', ...reads] })
  const ticket = async () => {
    const answer = await world.call('POST', '/v1/realtime/ticket', { token: key.secret })
    return answer.status === 200 ? String(JSON.parse(answer.text).ticket) : ''
  }
  const listener = await openListener({ url: () => world.url, ticket }, { topics: ['tasks'] })
  const conversation = await world.call('POST', '/v1/conversations', { token: key.secret, body: { title: 'x' } })
  const path = `/v1/conversations/${JSON.parse(conversation.text).id}/events`
  const following = await fetch(world.url + path, { headers: { authorization: `Bearer ${key.secret}` } })
  expect(following.status).toBe(200)
  await person.api('POST', '/v1/tasks', { body: { title: 'x' } })
  expect(await listener.until(() => listener.heard.length > 0)).toBe(true)
  const startedMs = performance.now()
  expect((await person.api('DELETE', `/v1/api-keys/${key.id}`)).status).toBe(204)
  const refused = await world.call('GET', '/v1/tasks', { token: key.secret })
  expect(codeOf(refused)).toBe('401 invalid_token')
  await Promise.all([
    following.text(),
    // The line itself is broken later: the socket is over when it was told so.
    vi.waitFor(() => expect(listener.isOpen()).toBe(false), { timeout: 5000, interval: 20 }),
  ])
  expect(performance.now() - startedMs).toBeLessThan(1000)
  listener.stop()
})
