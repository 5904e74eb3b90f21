import { setTimeout as wait } from 'node:timers/promises'
import { cookieOf } from '../cookie-jar.ts'
import type { World } from '../world.ts'
import { door } from './lib-effects.ts'
import { handshake } from './lib-handshake.ts'
import { openListener } from './lib-listener.ts'
import { type Held, makeHeld, type Way } from './ways-to-end.ts'

const CLOSE_WITHIN_MS = 6000
const HAMMERS = 3
const LOOK_EACH_MS = 10

export type Measured = {
  cases: number
  problems: string[]
  /** From the answer that it is ended to the first refusal. */
  refusedMs: number
  /** From that answer on, until what was open was closed. */
  closedMs: Record<string, number>
  /** Requests that were sent meanwhile. */
  during: number
}

/** Whether what was asked for was done. */
type Use = (world: World, held: Held, model: string) => Promise<boolean>

const JSON_TYPE = { 'content-type': 'application/json' }

async function send(world: World, held: Held, path: string, body?: object): Promise<boolean> {
  const token = path === '/mcp' ? (held.mcpToken ?? held.token) : held.token
  const headers = { authorization: `Bearer ${token}`, ...(body && JSON_TYPE) }
  const answer = await fetch(world.url + path, {
    method: body ? 'POST' : 'GET',
    headers,
    ...(body && { body: JSON.stringify(body) }),
  })
  await answer.body?.cancel()
  return answer.status < 400
}

const messages = [{ role: 'user', content: 'hello' }]

/** Every door there is for a bearer; asked before, to be sure that it opens, and after. */
const USES: Record<string, Use> = {
  'a read': (world, held) => send(world, held, '/v1/me'),
  'a list': (world, held) => send(world, held, '/v1/tasks'),
  'a write': (world, held) => send(world, held, '/v1/tasks', { title: 'x' }),
  'a turn': async (world, held) =>
    await send(world, held, `/v1/conversations/${await conversationOf(held)}/messages`, { text: 'hello' }),
  'a ticket': (world, held) => send(world, held, '/v1/realtime/ticket', {}),
  'MCP, a list of tools': (world, held) => send(world, held, '/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  'MCP, a resource': (world, held) => send(world, held, '/mcp', { jsonrpc: '2.0', id: 1, method: 'resources/list' }),
  'compat, a list': (world, held) => send(world, held, '/compat/openai/v1/models'),
  'compat, an answer': (world, held, model) =>
    send(world, held, '/compat/openai/v1/chat/completions', { model, messages }),
  'compat, a stream': (world, held, model) =>
    send(world, held, '/compat/anthropic/v1/messages', { model, messages, max_tokens: 10, stream: true }),
}

/** What only a session has. */
const SESSION_USES: Record<string, Use> = {
  'a cookie': async (world, { token }) =>
    (await world.call('GET', '/v1/me', { headers: { cookie: cookieOf({ accessToken: token }) } })).status < 400,
  'a list of sessions': (world, held) => send(world, held, '/v1/auth/sessions'),
}

/** What only a role opens: the rest of what its holder may do goes on. */
const ROLE_USES: Record<string, Use> = {
  'a list of people': (world, held) => send(world, held, '/v1/admin/people'),
  'an account': (world, held) => send(world, held, `/v1/admin/people/${held.person.userId}`),
  'the dead letters': (world, held) => send(world, held, '/v1/admin/dead-letters'),
}
const usesOf = (of: Way['of']): Record<string, Use> =>
  of === 'role' ? ROLE_USES : { ...USES, ...(of === 'session' && SESSION_USES) }

// By the person's own hand, for it may be asked for when the other is worth nothing.
const opened = new WeakMap<object, Promise<string>>()
function conversationOf({ person }: Held): Promise<string> {
  const known =
    opened.get(person) ??
    person.api('POST', '/v1/conversations', { body: {} }).then(({ text }) => String(JSON.parse(text).id))
  opened.set(person, known)
  return known
}

/** Opens everything that can be open, ends it in this way, and looks at what goes on. */
export async function measure(world: World, way: Way, model: string): Promise<Measured> {
  const held = await makeHeld(world, way.of)
  const uses = Object.entries(usesOf(way.of))
  const endsAll = way.of !== 'role'
  const problems: string[] = []
  for (const [name, use] of uses) if (!(await use(world, held, model))) problems.push(`${name} is refused before`)
  const open = endsAll ? await openAll(world, held, model) : []
  const ticket = await door(world.url, held.token).ticket()
  let isEnded = false
  let during = 0
  const hammer = async () => {
    while (!isEnded) {
      during++
      await USES['a read']?.(world, held, model)
    }
  }
  const hammers = Array.from({ length: HAMMERS }, hammer)
  const { status, text } = await way.end(world, held)
  const endedMs = performance.now()
  isEnded = true
  if (status >= 300) problems.push(`is answered ${status} ${text}`)
  const closing = open.map(async ({ name, closed }) => [name, (await within(closed)) - endedMs] as const)
  let refusedMs = Number.POSITIVE_INFINITY
  await Promise.all(
    uses.map(async ([name, use]) => {
      const taken = await use(world, held, model)
      refusedMs = Math.min(refusedMs, performance.now() - endedMs)
      if (taken) problems.push(`${name} is taken after its end`)
    }),
  )
  const late = endsAll && (await handshake(`${world.url}/v1/realtime?ticket=${ticket}`))
  if (late && late.status === 101) problems.push('a ticket from before opens a socket after')
  if (held.refreshToken !== undefined) {
    const body = { refreshToken: held.refreshToken }
    const renewed = await world.call('POST', '/v1/auth/refresh', { body })
    if (renewed.status < 400) problems.push('is renewed after its end')
  }
  await Promise.all(hammers)
  const closedMs = Object.fromEntries(await Promise.all(closing))
  for (const [name, ms] of Object.entries(closedMs)) if (ms > CLOSE_WITHIN_MS) problems.push(`the ${name} stays open`)
  for (const { stop } of open) stop()
  return { cases: uses.length + open.length + 2, problems, refusedMs, closedMs, during }
}

/** When it was closed, or far too late. */
async function within(closed: Promise<number>): Promise<number> {
  return await Promise.race([closed, wait(CLOSE_WITHIN_MS + 500).then(() => performance.now())])
}

type Open = { name: string; closed: Promise<number>; stop(): void }

async function openAll(world: World, held: Held, model: string): Promise<Open[]> {
  const conversation = await conversationOf(held)
  const { text } = await held.person.api('POST', '/v1/conversations', { body: {} })
  const { id: busy }: { id: string } = JSON.parse(text)
  const slow = { model, messages: [{ role: 'user', content: 'slowly' }], stream: true }
  return [
    await openSocket(world, held),
    await openStream(world, held, 'event stream', `/v1/conversations/${conversation}/events`),
    await openStream(world, held, 'compat stream', '/compat/openai/v1/chat/completions', slow),
    await openTurn(world, held, busy),
  ]
}

async function openSocket(world: World, { token }: Held): Promise<Open> {
  const listener = await openListener(door(world.url, token), { topics: ['tasks'] })
  const over = async () => {
    const deadline = performance.now() + CLOSE_WITHIN_MS * 3
    // From the frame that closes it on; that the line ends too is the client's to wait for.
    while (listener.isOpen() && performance.now() < deadline) await wait(LOOK_EACH_MS)
    return performance.now()
  }
  return { name: 'socket', closed: over(), stop: () => listener.stop() }
}

async function openStream(world: World, held: Held, name: string, path: string, body?: object): Promise<Open> {
  const controller = new AbortController()
  const answer = await fetch(world.url + path, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${held.token}`, accept: 'text/event-stream', ...(body && JSON_TYPE) },
    ...(body && { body: JSON.stringify(body) }),
    signal: controller.signal,
  })
  if (!answer.ok) throw new Error(`the ${name} is answered ${answer.status}: ${await answer.text()}`)
  const read = async () => {
    for await (const _ of answer.body ?? []);
  }
  const closed = read().then(
    () => performance.now(),
    () => performance.now(),
  )
  return { name, closed, stop: () => controller.abort() }
}

/** A turn that would go on without its client: closed when the database says that it is over, or its person is gone. */
async function openTurn(world: World, held: Held, conversation: string): Promise<Open> {
  const stream = await openStream(world, held, 'turn', `/v1/conversations/${conversation}/messages`, { text: 'slowly' })
  stream.stop()
  const runs = async () => {
    const sql = "select 1 from messages where conversation_id = $1 and status = 'streaming'"
    return (await world.query(sql, [conversation])).length > 0
  }
  if (!(await runs())) throw new Error('no turn runs')
  const over = async () => {
    const deadline = performance.now() + CLOSE_WITHIN_MS * 3
    while ((await runs()) && performance.now() < deadline) await wait(LOOK_EACH_MS)
    return performance.now()
  }
  return { name: 'turn', closed: over(), stop: () => {} }
}
