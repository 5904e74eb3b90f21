import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CallOptions, type Person, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

async function makePeople(count: number): Promise<Person[]> {
  return await world.people(count)
}

async function makePerson(): Promise<Person> {
  const [person] = await makePeople(1)
  if (!person) throw new Error('nobody was made')
  return person
}

/** The SDK's own client, as a host has it. */
async function connect({ accessToken }: Person): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${accessToken}` } }
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', world.url), { requestInit })
  // The SDK's own types disagree on a session that may be undefined.
  await client.connect(transport as Parameters<Client['connect']>[0])
  return client
}

async function use(client: Client, name: string, input: Record<string, unknown> = {}) {
  return (await client.callTool({ name, arguments: input })) as CallToolResult & { structuredContent: Shown }
}

type Shown = { id: string; title: string; code: string; items: { id: string; text: string }[] }

const rpc = (person: Person, message: unknown, options: CallOptions = {}) =>
  world.call('POST', '/mcp', { token: person.accessToken, body: message, ...options })
const asked = (method: string, params: object = {}) => ({ jsonrpc: '2.0', id: 1, method, params })

test('a host connects with the client of the SDK, sees tools as data, and one makes a task', async () => {
  const person = await makePerson()
  const client = await connect(person)
  expect(client.getServerVersion()).toMatchObject({ name: 'aurelius' })
  expect(client.getServerCapabilities()).toEqual({ tools: {}, resources: {} })

  const { tools } = await client.listTools()
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  expect(byName.get('find_tasks')?.annotations).toMatchObject({ readOnlyHint: true, openWorldHint: false })
  expect(byName.get('delete_task')?.annotations).toMatchObject({ readOnlyHint: false, destructiveHint: true })
  expect(byName.get('create_task')).toMatchObject({ title: 'Create task', annotations: { destructiveHint: false } })
  expect(byName.has('undo_last')).toBe(false)

  const made = await use(client, 'create_task', { title: 'Call the dentist' })
  expect(made.isError).toBeFalsy()
  expect(made.content).toEqual([{ type: 'text', text: JSON.stringify(made.structuredContent) }])
  const { json } = await person.api('GET', `/v1/tasks/${made.structuredContent.id}`)
  expect(json).toMatchObject({ title: 'Call the dentist' })

  // What takes it back comes with it, and does.
  expect(made._meta?.['aurelius.dev/undo']).toMatchObject({ tool: 'delete_task' })
  await use(client, 'delete_task', { id: made.structuredContent.id })
  expect((await person.api('GET', `/v1/tasks/${made.structuredContent.id}`)).status).toBe(404)
  await client.close()
})

test('resources are listed page by page, and read by what a template says', async () => {
  const person = await makePerson()
  const client = await connect(person)
  for (let n = 0; n < 60; n++) await use(client, 'create_task', { title: `Task ${n}` })
  await use(client, 'remember', { text: 'Prefers the window seat' })
  await person.api('POST', '/v1/conversations', { body: { title: 'Journeys' } })

  const { resourceTemplates } = await client.listResourceTemplates()
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
    'aurelius://tasks/{id}',
    'aurelius://projects/{id}',
    'aurelius://calendar/{id}',
    'aurelius://conversations/{id}',
    'aurelius://memories/{id}',
    'aurelius://suggestions/{id}',
  ])
  const found: Awaited<ReturnType<Client['listResources']>>['resources'] = []
  let cursor: string | undefined
  do {
    const page = await client.listResources(cursor === undefined ? {} : { cursor })
    expect(page.resources.length).toBeLessThanOrEqual(50)
    found.push(...page.resources)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  expect(new Set(found.map(({ uri }) => uri)).size).toBe(62)
  expect(found.map(({ title }) => title)).toEqual(
    expect.arrayContaining(['Task 0', 'Journeys', 'Prefers the window seat']),
  )
  for (const { uri, name } of [found[0], found.at(-1), found.at(-2)].flatMap((one) => one ?? [])) {
    const { contents } = await client.readResource({ uri })
    const [content] = contents
    expect(JSON.parse(content && 'text' in content ? content.text : '')).toMatchObject({ id: name })
  }
  await client.close()
})

test("a conversation is read without what its tools answered, and another person's things are not there", async () => {
  const [one, other] = await makePeople(2)
  if (!one || !other) throw new Error('two were to be made')
  const [mine, theirs] = [await connect(one), await connect(other)]
  const { json: opened } = await one.api('POST', '/v1/conversations', { body: {} })
  const { id } = opened as { id: string }
  await one.api('POST', `/v1/conversations/${id}/messages`, { body: { text: 'add milk to my list' } })
  const read = await use(mine, 'read_conversation', { id })
  expect(read.structuredContent.items.map(({ text }) => text)).toEqual([
    'add milk to my list',
    expect.stringMatching(/milk/i),
  ])
  expect(JSON.stringify(read)).not.toContain('tool_result')
  expect((await use(mine, 'list_conversations')).structuredContent.items).toMatchObject([{ id }])

  const task = (await use(mine, 'find_tasks')).structuredContent.items[0]?.id ?? ''
  for (const [name, input] of [
    ['read_conversation', { id }],
    ['complete_task', { id: task }],
    ['delete_task', { id: task }],
  ] as const) {
    const refused = await use(theirs, name, input)
    expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'not_found' } })
  }
  for (const uri of [
    `aurelius://tasks/${task}`,
    `aurelius://conversations/${id}`,
    'aurelius://tasks/1',
    'file:///etc/passwd',
  ]) {
    await expect(theirs.readResource({ uri })).rejects.toMatchObject({ code: -32002, data: { uri } })
  }
  expect((await use(theirs, 'find_tasks')).structuredContent.items).toEqual([])
  expect((await theirs.listResources()).resources).toEqual([])
  await Promise.all([mine.close(), theirs.close()])
})

test('a session that has ended is refused at once, whatever is asked', async () => {
  const person = await makePerson()
  const client = await connect(person)
  await person.api('POST', '/v1/auth/logout')
  const messages = [
    asked('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } }),
    asked('ping'),
    asked('tools/list'),
    asked('tools/call', { name: 'find_tasks' }),
    asked('tools/call', { name: 'get_time', arguments: { timeZone: 'UTC' } }),
    asked('tools/call', { name: 'nothing' }),
    asked('resources/templates/list'),
    asked('resources/read', { uri: 'aurelius://tasks/1' }),
    asked('nothing'),
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { nonsense: true },
  ]
  for (const message of messages) {
    const answer = await rpc(person, message)
    expect([answer.status, answer.json]).toMatchObject([401, { id: null, error: { data: { code: 'session_ended' } } }])
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
  }
  await expect(client.listTools()).rejects.toMatchObject({ code: 401 })
})

test('a call that the client gives up ends for it alone', async () => {
  const client = await connect(await makePerson())
  const leaving = new AbortController()
  const call = client.callTool({ name: 'find_tasks' }, undefined, { signal: leaving.signal })
  leaving.abort('enough')
  await expect(call).rejects.toThrow('enough')
  expect((await use(client, 'find_tasks')).structuredContent.items).toEqual([])
  await client.close()
})

test('what a model can mend is a result that says so; what a client got wrong is an error of the protocol', async () => {
  const person = await makePerson()
  const client = await connect(person)
  const refused = await use(client, 'create_task', { title: '', surprise: 1 })
  expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'invalid_request' } })
  expect(refused.content[0]).toMatchObject({ text: expect.stringContaining('/title') })
  await client.close()

  const at = async (message: unknown) => {
    const { status, json } = await rpc(person, message)
    return [status, (json as { error: { code: number } }).error.code]
  }
  expect(await at(asked('tools/call', { name: 'rm' }))).toEqual([200, -32602])
  expect(await at(asked('tools/call', { name: 5 }))).toEqual([200, -32602])
  expect(await at(asked('tools/list', { cursor: 'x' }))).toEqual([200, -32602])
  expect(await at(asked('resources/list', { cursor: 'x' }))).toEqual([200, -32602])
  expect(await at(asked('toString'))).toEqual([200, -32601])
  expect(await at(asked('sampling/createMessage'))).toEqual([200, -32601])
  expect(await at({ id: 1, method: 'ping' })).toEqual([400, -32600])
  expect(await at({ jsonrpc: '2.0', id: 1 })).toEqual([400, -32600])
  expect(await at([asked('ping')])).toEqual([400, -32600])
})

test('the door keeps to the transport', async () => {
  const person = await makePerson()
  const ping = asked('ping')
  const json = { 'content-type': 'application/json' }
  const shapes: [number, string, CallOptions][] = [
    [401, 'POST', { body: ping }],
    [401, 'POST', { body: ping, token: 'nonsense' }],
    [403, 'POST', { body: ping, token: person.accessToken, headers: { origin: 'https://evil.example' } }],
    [400, 'POST', { raw: '{', token: person.accessToken, headers: json }],
    [415, 'POST', { raw: JSON.stringify(ping), token: person.accessToken, headers: { 'content-type': 'text/plain' } }],
    [413, 'POST', { raw: ' '.repeat(1_000_001), token: person.accessToken, headers: json }],
    [405, 'GET', { token: person.accessToken, headers: { accept: 'text/event-stream' } }],
    [405, 'DELETE', { token: person.accessToken }],
  ]
  for (const [status, method, options] of shapes) {
    const answer = await world.call(method, '/mcp', options)
    expect([answer.status, answer.json]).toMatchObject([
      status,
      { jsonrpc: '2.0', id: null, error: { code: expect.any(Number) } },
    ])
    if (status === 405) expect(answer.headers.get('allow')).toBe('POST')
  }
  expect((await rpc(person, '', { raw: '{', headers: json })).json).toMatchObject({ error: { code: -32700 } })
  expect((await rpc(person, ping, { headers: { origin: world.vars['PUBLIC_URL'] ?? '' } })).json).toMatchObject({
    result: {},
  })
  expect((await rpc(person, ping, { headers: { 'mcp-protocol-version': '2025-11-25' } })).status).toBe(200)
  expect((await rpc(person, ping, { headers: { 'mcp-protocol-version': '1999-01-01' } })).status).toBe(400)
  expect((await rpc(person, { jsonrpc: '2.0', method: 'notifications/cancelled' })).text).toBe('')
  expect((await rpc(person, { jsonrpc: '2.0', id: 9, result: {} })).status).toBe(202)
  expect((await rpc(person, ping)).headers.get('ratelimit-policy')).toContain('"write"')
})
