import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

async function connect({ accessToken }: { accessToken: string }): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${accessToken}` } }
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', world.url), { requestInit })
  // The SDK's own types disagree on a session that may be undefined.
  await client.connect(transport as Parameters<Client['connect']>[0])
  return client
}

type Found = { kind: string; id: string; uri: string; title: string }
type Shown = { id: string; code: string; results: Found[]; more: boolean; searched: string[] }

async function use(client: Client, name: string, input: Record<string, unknown> = {}) {
  return (await client.callTool({ name, arguments: input })) as CallToolResult & { structuredContent: Shown }
}

test('a host finds by words what the person has, of every kind, and fetches it; nobody else finds it', async () => {
  const [one, other] = [await world.person(), await world.person()]
  const [client, theirs] = [await connect(one), await connect(other)]
  const notes = `${'First the usual things. '.repeat(20)}Ask about the GINGER tea, 100% of it.`
  const task = await use(client, 'create_task', { title: 'Shop', notes })
  const done = await use(client, 'create_task', { title: 'Plant ginger' })
  await use(client, 'complete_task', { id: done.structuredContent.id })
  await use(client, 'create_project', { name: 'Ginger garden' })
  await use(client, 'create_event', { title: 'Market', location: 'Ginger street', start: { date: '2031-03-10' } })
  await use(client, 'remember', { text: 'Is allergic to ginger' })
  const { id } = JSON.parse((await one.api('POST', '/v1/conversations', { body: {} })).text)
  await one.api('POST', `/v1/conversations/${id}/messages`, { body: { text: 'hello, do I like ginger?' } })
  const find = async (asker: Client, input: Record<string, unknown>) =>
    (await use(asker, 'search', input)).structuredContent

  const { results, more } = await find(client, { query: 'ginger' })
  expect(more).toBe(false)
  expect(results.map(({ kind }) => kind).sort()).toEqual([
    ...['calendar', 'conversations', 'memories', 'projects', 'tasks', 'tasks'],
  ])
  expect(results.filter(({ kind }) => kind === 'tasks').map(({ title }) => title)).toEqual(['Plant ginger', 'Shop'])
  // What stands around the word is told, not all of it; each is read by its uri, its id, and as a resource.
  const shop = results.find(({ title }) => title === 'Shop')
  expect(shop).toMatchObject({ excerpt: expect.stringMatching(/^.{0,200}$/), tainted: true })
  expect(shop).toMatchObject({ excerpt: expect.stringContaining('the GINGER tea') })
  for (const { id, uri } of results) {
    const { contents } = await client.readResource({ uri })
    const read = await use(client, 'fetch', { id: uri })
    expect(read.structuredContent).toMatchObject({ id })
    expect((await use(client, 'fetch', { id })).structuredContent).toEqual(read.structuredContent)
    expect(contents[0]).toMatchObject({ text: JSON.stringify(read.structuredContent) })
  }

  // All of the words, as they are written; some of the kinds, and as many as were asked for.
  const ids = async (input: Record<string, unknown>) => (await find(client, input)).results.map(({ id }) => id)
  expect(await ids({ query: ' tea  ginger ' })).toEqual([task.structuredContent.id])
  expect(await ids({ query: '100%' })).toEqual([task.structuredContent.id])
  expect(await ids({ query: 'ginger _' })).toEqual([])
  const few = await find(client, { query: 'ginger', kinds: ['tasks', 'memories'], limit: 2 })
  expect([few.more, few.results.map(({ kind }) => kind)]).toEqual([true, ['tasks', 'memories']])
  expect(await use(client, 'search', { query: '  ' })).toMatchObject({ isError: true })

  expect((await find(theirs, { query: 'ginger' })).results).toEqual([])
  for (const { id, uri } of results)
    for (const named of [id, uri]) expect(await use(theirs, 'fetch', { id: named })).toMatchObject({ isError: true })
  await Promise.all([client.close(), theirs.close()])
})

test('a key finds and fetches what it may read, and nothing else', async () => {
  const person = await world.person()
  const session = await connect(person)
  const task = await use(session, 'create_task', { title: 'Buy ginger' })
  const memory = await use(session, 'remember', { text: 'Likes ginger' })
  await session.close()
  const body = { name: 'host', scopes: ['mcp', 'tasks:read', 'memories:write'] }
  const { secret } = JSON.parse((await person.api('POST', '/v1/api-keys', { body })).text)
  const client = await connect({ accessToken: secret })
  const found = (await use(client, 'search', { query: 'ginger' })).structuredContent
  expect(found).toMatchObject({ results: [{ id: task.structuredContent.id }], more: false, searched: ['tasks'] })
  expect((await use(client, 'fetch', { id: task.structuredContent.id })).isError).toBeFalsy()
  const refused = await use(client, 'fetch', { id: memory.structuredContent.id })
  expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'not_found' } })
  const asked = await use(client, 'search', { query: 'ginger', kinds: ['memories'] })
  expect(asked).toMatchObject({ isError: true, structuredContent: { code: 'forbidden' } })
  await client.close()
})
