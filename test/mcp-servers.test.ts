import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REMOTE_SECRET, type RemoteServer, startRemote } from './mcp-remote.ts'
import { type Person, startWorld, type World } from './world.ts'

const mock = new LLMock({ port: 0 })
let remote: RemoteServer
let world: World
beforeAll(async () => {
  await mock.start()
  remote = await startRemote()
  const model = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: mock.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
  world = await startWorld({ vars: { ...model, ALLOW_LOOPBACK_URLS: 'true' } })
}, 60_000)
afterAll(async () => {
  await world?.stop()
  await mock.stop()
  remote?.close()
})

type Result = { type: string; callId: string; isError: boolean; output: { code: string; detail: string; text: string } }
type Answer = { answer: { status: string; text: string; parts: Result[] } }
type Server = { id: string; status: string; lastError: string | null; tools: { name: string }[] }

async function makeOwner() {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody was made')
  const auth = { type: 'header', name: 'authorization', value: REMOTE_SECRET }
  const body = { name: 'weather', url: `${remote.url}/mcp`, auth }
  const added = (await person.api('POST', '/v1/mcp/servers', { body })).json as Server
  const checked = await person.api('POST', `/v1/mcp/servers/${added.id}/check`)
  const opened = (await person.api('POST', '/v1/conversations', { body: {} })).json as { id: string }
  return { person, server: checked.json as Server, conversation: opened.id }
}

async function say(person: Person, conversation: string, text: string, confirms: string[] = []) {
  const body = { text, confirms }
  const { json } = await person.api('POST', `/v1/conversations/${conversation}/messages`, { body })
  const { answer } = json as Answer
  return { ...answer, results: answer.parts.filter(({ type }) => type === 'tool_result') }
}

/** What Claude is to do when it hears these words. */
function script(userMessage: string, name: string, input: object, content: string): void {
  const call = { name, arguments: JSON.stringify(input) }
  mock.on({ userMessage, hasToolResult: false }, { toolCalls: [call] })
  mock.on({ userMessage, hasToolResult: true }, { content })
}

test("the assistant uses a read-only tool of a person's MCP server, in workerd, and tells what came back", async () => {
  const { person, server, conversation } = await makeOwner()
  expect(server).toMatchObject({ status: 'ok', lastError: null })
  expect(JSON.stringify(server)).not.toContain('sesame')
  script('weather in Bergen', 'weather__forecast', { city: 'Bergen' }, 'It is sunny.')
  const { status, text, results } = await say(person, conversation, 'weather in Bergen')
  expect([status, text]).toEqual(['done', 'It is sunny.'])
  expect(results).toMatchObject([{ isError: false, output: { untrusted: /weather/, text: 'Sunny in Bergen' } }])
  const sent = JSON.stringify(mock.getRequests())
  expect(sent).toContain('these words are that server')
  expect(sent).not.toContain('sesame')
})

test('a tool that is not read-only runs only after the person agreed', async () => {
  const { person, conversation } = await makeOwner()
  const before = remote.calls.length
  script('wipe the stations', 'weather__stations_wipe', { city: 'Oslo' }, 'Shall I wipe them?')
  const asked = await say(person, conversation, 'wipe the stations')
  expect(asked.results).toMatchObject([{ isError: true, output: { code: 'confirmation_required' } }])
  expect(remote.calls).toHaveLength(before)
  script('go ahead then', 'weather__stations_wipe', { city: 'Oslo' }, 'They are gone.')
  const done = await say(person, conversation, 'go ahead then', [asked.results[0]?.callId ?? ''])
  expect(done.results).toMatchObject([{ isError: false, output: { result: { gone: 3 } } }])
  expect(remote.calls.slice(before)).toEqual([{ tool: 'stations.wipe', input: { city: 'Oslo' } }])
})

test('once it was read, a server is asked again only where the person trusts it, and then for reading alone', async () => {
  const { person, server, conversation } = await makeOwner()
  const headers = { 'if-match': '*' }
  const trust = (trusted: boolean) =>
    person.api('PATCH', `/v1/mcp/servers/${server.id}`, { body: { trusted }, headers })
  script('weather in Hammerfest', 'weather__forecast', { city: 'Hammerfest' }, 'Sunny.')
  await say(person, conversation, 'weather in Hammerfest')
  script('weather in Vardø', 'weather__forecast', { city: 'Vardø' }, 'It waits for you.')
  const waits = await say(person, conversation, 'weather in Vardø')
  expect(waits.results).toMatchObject([{ output: { suggestionId: expect.stringMatching(/^sug_/) } }])
  expect((await trust(true)).json).toMatchObject({ trusted: true })
  script('weather in Bodø', 'weather__forecast', { city: 'Bodø' }, 'Sunny.')
  const told = await say(person, conversation, 'weather in Bodø')
  expect(told.results).toMatchObject([{ isError: false, output: { text: 'Sunny in Bodø' } }])
  const before = remote.calls.length
  script('wipe those of Bodø', 'weather__stations_wipe', { city: 'Bodø' }, 'It waits for you.')
  const asked = await say(person, conversation, 'wipe those of Bodø')
  expect(asked.results).toMatchObject([{ output: { suggestionId: expect.stringMatching(/^sug_/) } }])
  expect(remote.calls).toHaveLength(before)
})

test('a result too long for a turn is cut', async () => {
  const { person, conversation } = await makeOwner()
  script('everything about it', 'weather__much', {}, 'A lot.')
  const { results } = await say(person, conversation, 'everything about it')
  expect(JSON.stringify(results).length).toBeLessThan(17_000)
})

test('a server that has gone breaks no turn, and is shown as broken', async () => {
  const { person, server, conversation } = await makeOwner()
  remote.close()
  script('weather in Lima', 'weather__forecast', { city: 'Lima' }, 'I could not ask.')
  const { status, results } = await say(person, conversation, 'weather in Lima')
  expect(status).toBe('done')
  expect(results).toMatchObject([{ isError: true, output: { code: 'unavailable', detail: /does not answer/ } }])
  const { json } = await person.api('GET', `/v1/mcp/servers/${server.id}`)
  expect(json).toMatchObject({ status: 'broken', lastError: expect.stringContaining('does not answer') })
  expect((json as Server).tools.length).toBeGreaterThan(3)
})

test('who signs in to a server that has gone cannot be asked, and when to try again is told', async () => {
  const [person] = await world.people(1)
  const body = { name: 'gone', url: 'http://127.0.0.1:1/mcp', auth: { type: 'oauth' } }
  const added = (await person?.api('POST', '/v1/mcp/servers', { body }))?.json as Server
  const answer = await person?.api('POST', `/v1/mcp/servers/${added.id}/connect`)
  expect([answer?.status, answer?.headers.get('retry-after')]).toEqual([503, '60'])
  expect([...world.contract.drift]).toEqual([])
})
