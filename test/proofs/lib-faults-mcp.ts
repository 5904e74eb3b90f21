import { REMOTE_SECRET, startRemote } from '../mcp-remote.ts'
import { startOauthFake } from '../oauth-fake.ts'
import type { Answer, Person } from '../world.ts'
import { ask, HUNG, judge, onePerson, type Scene } from './lib-faults.ts'
import { FAULTS, type Fault, handOn, startFaulty } from './lib-faulty.ts'

type Server = { id: string; status: string; lastError: string | null; tools: unknown[]; auth: { connected?: boolean } }
type Turn = { answer: { status: string; parts: { type: string; isError: boolean; output: { detail?: string } }[] } }
/** What one was told, in short. */
type Said = { status: number | typeof HUNG; server: Server | null }

const TRIES = 3
const OAUTH = { type: 'oauth' }
const HEADER = { type: 'header', name: 'authorization', value: REMOTE_SECRET }

/** As `person` does it over HTTP. */
function actsOf(scene: Scene, { accessToken }: Person) {
  const api = (method: string, path: string, body?: object) =>
    ask(scene, { method, path, options: body ? { body } : {} }, accessToken)
  const told = (answer: Answer | typeof HUNG): Said =>
    // What the document says of these answers was held against it.
    answer === HUNG
      ? { status: HUNG, server: null }
      : { status: answer.status, server: answer.status < 300 ? (answer.json as Server | null) : null }
  const find = async (id: string) => told(await api('GET', `/v1/mcp/servers/${id}`)).server
  return {
    api,
    find,
    add: async (name: string, url: string, auth: object) =>
      told(await api('POST', '/v1/mcp/servers', { name, url, auth })),
    check: async (id: string) => told(await api('POST', `/v1/mcp/servers/${id}/check`)),
    /** A turn whose model asks for the weather: how it ended, and what its tool said. */
    async turn() {
      const opened = await api('POST', '/v1/conversations', {})
      const id = opened === HUNG ? '' : JSON.parse(opened.text).id
      const answer = await api('POST', `/v1/conversations/${id}/messages`, { text: 'How is the weather in Bergen?' })
      if (answer === HUNG || answer.status >= 300)
        return { ended: answer === HUNG ? HUNG : String(answer.status), tool: '' }
      const { status, parts } = (answer.json as Turn).answer
      const result = parts.find(({ type }) => type === 'tool_result')
      const tool = !result
        ? 'no tool'
        : result.isError
          ? `not used (${result.output.detail ? 'why' : 'no why'})`
          : 'used'
      return { ended: parts.at(-1)?.type === 'text' ? status : `${status}, mute`, tool }
    },
  }
}
type Acts = ReturnType<typeof actsOf>

const shown = ({ status, server }: Said) =>
  server ? `${server.status}${server.status === 'broken' && !server.lastError ? ', no why' : ''}` : String(status)

/** Somebody else's MCP server: a broken one is shown with its reason, and the assistant goes on without its tools. */
export async function tryServers(scene: Scene): Promise<void> {
  const remote = await startRemote()
  const upstream = await startFaulty(
    'MCP server',
    handOn(() => `${remote.url}/mcp`),
  )
  const { name, url } = upstream
  try {
    for (const fault of FAULTS) {
      const isWell = fault === 'slow'
      const tell = (what: string, said: string, isRight: boolean) => judge(scene, name, fault, what, said, isRight)
      const acts = actsOf(scene, await onePerson(scene.served))
      const { server } = await acts.add('weather', url, HEADER)
      if (!server || shown(await acts.check(server.id)) !== 'ok') throw new Error('no server to break')
      await upstream.break(fault)
      const added = await acts.add('other', url, HEADER)
      tell('added', shown(added), added.status === 201)
      const checked = shown(await acts.check(added.server?.id ?? ''))
      tell('asked for its tools', checked, checked === (isWell ? 'ok' : 'broken'))
      const { ended, tool } = await acts.turn()
      tell('a turn', `${ended}, its tool ${tool}`, ended === 'done' && tool === (isWell ? 'used' : 'not used (why)'))
      const after = shown({ status: 0, server: await acts.find(server.id) })
      tell('shown', after, after === (isWell ? 'ok' : 'broken'))
      await upstream.mend()
      const again = await mended(acts, server.id)
      tell('mended', again, again === 'ok, used')
    }
  } finally {
    await upstream.stop()
    remote.close()
  }
}

// A connection that was kept may be found dead once.
async function mended(acts: Acts, id: string): Promise<string> {
  let said = ''
  for (let n = 0; n < TRIES && said !== 'ok, used'; n++) {
    const { tool } = await acts.turn()
    said = `${(await acts.find(id))?.status}, ${tool}`
  }
  return said
}

/** Who signs in to such a server: until it is back nobody is connected, and nobody loses what they have. */
export async function tryAuthorizationServers(scene: Scene): Promise<void> {
  const fake = await startOauthFake()
  const upstream = await startFaulty(
    'MCP sign-in',
    handOn((path) => fake.url + path),
  )
  const { name, url } = upstream
  const places = { token: 'token', registration: 'register', revocation: 'revoke' }
  Object.assign(fake.resource, { authorization_servers: [url] })
  Object.assign(fake.metadata, { issuer: url })
  for (const [what, path] of Object.entries(places)) fake.metadata[`${what}_endpoint`] = `${url}/${path}`
  try {
    for (const fault of FAULTS) await tryAuthorization(scene, { upstream, name, fake, fault })
  } finally {
    await upstream.stop()
    fake.close()
  }
}

type Authorization = {
  upstream: Awaited<ReturnType<typeof startFaulty>>
  name: string
  fake: Awaited<ReturnType<typeof startOauthFake>>
  fault: Fault
}

async function tryAuthorization(scene: Scene, { upstream, name, fake, fault }: Authorization): Promise<void> {
  const isWell = fault === 'slow'
  const tell = (what: string, said: string, isRight: boolean) => judge(scene, name, fault, what, said, isRight)
  const acts = actsOf(scene, await onePerson(scene.served))
  const add = async (called: string) => (await acts.add(called, `${fake.remote.url}/mcp`, OAUTH)).server?.id ?? ''
  const connect = (id: string) => acts.api('POST', `/v1/mcp/servers/${id}/connect`)
  /** Where a browser is led back to once its person consented. */
  const consent = async (begun: Answer | typeof HUNG) => {
    if (begun === HUNG || begun.status !== 200) throw new Error('nothing to consent to')
    const back = await fake.browse(JSON.parse(begun.text).authorizationUrl)
    back.searchParams.set('iss', upstream.url)
    return back.pathname + back.search
  }
  const [had, begun, fresh] = [await add('had'), await add('begun'), await add('fresh')]
  await acts.api('GET', await consent(await connect(had)))
  if ((await acts.find(had))?.status !== 'ok') throw new Error('no connection to break')
  const back = await consent(await connect(begun))
  fake.expireAll()
  await upstream.break(fault)

  const started = await connect(fresh)
  const status = started === HUNG ? HUNG : started.status
  tell('begun to connect', String(status), isWell ? status === 200 : status === 503 || status === 504)
  const returned = await acts.api('GET', back)
  const landed = returned === HUNG ? HUNG : returned.status
  const left = await acts.find(begun)
  const isLeft = left?.auth.connected === isWell && (isWell || (left.status === 'broken' && Boolean(left.lastError)))
  tell('came back', String(landed), isLeft && landed === (isWell ? 200 : 403))
  const checked = shown(await acts.check(had))
  tell('its token ended', checked, checked === (isWell ? 'ok' : 'broken'))
  const removed = await acts.api('DELETE', `/v1/mcp/servers/${begun}`)
  tell('removed', String(removed === HUNG ? HUNG : removed.status), removed !== HUNG && removed.status === 204)
  await upstream.mend()
  let after = ''
  for (let n = 0; n < TRIES && after !== 'ok'; n++) after = shown(await acts.check(had))
  tell('mended', after, after === 'ok')
}
