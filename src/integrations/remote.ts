import { z } from 'zod'
import { AppError, sseData, withTimeout } from '#core'
import { fetchOutside, type OutboundPolicy } from '#security'
import { chunks, DEADLINE_MS, partOf, refusal, toFailure, whole } from './outside.ts'

const MAX_PAGES = 5
const VERSION = '2025-11-25'

type Header = { name: string; value: string }
/** Another's MCP server, and the header that signs in to it; `renew` gives another where that one is refused. */
export type Remote = { url: string; header: Header | null; policy: OutboundPolicy; renew?: () => Promise<Header> }

const Reply = z.looseObject({
  id: z.union([z.string(), z.number()]).nullish(),
  result: z.looseObject({}).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
})
const Initialized = z.looseObject({ protocolVersion: z.string().max(40) })
const ToolList = z.looseObject({
  tools: z.array(
    z.looseObject({
      name: z.string(),
      description: z.string().optional(),
      inputSchema: z.record(z.string(), z.unknown()),
      annotations: z.looseObject({ readOnlyHint: z.boolean().optional() }).optional(),
    }),
  ),
  nextCursor: z.string().max(4000).optional(),
})
const Called = z.looseObject({
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })).default([]),
  structuredContent: z.looseObject({}).optional(),
  isError: z.boolean().default(false),
})

export type RemoteTool = z.infer<typeof ToolList>['tools'][number]
export type RemoteAnswer = z.infer<typeof Called>

type Session = {
  remote: Remote
  /** All that was sent to sign in. */
  sent: string[]
  signal: AbortSignal
  headers: Record<string, string>
  lastId: number
}

/** Every tool the server offers, up to five pages of them. */
export async function listRemoteTools(remote: Remote): Promise<RemoteTool[]> {
  return await inSession(remote, async (session) => {
    const found: RemoteTool[] = []
    let cursor: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const { tools, nextCursor } = ToolList.parse(
        await ask(session, 'tools/list', cursor === undefined ? {} : { cursor }),
      )
      found.push(...tools)
      if (nextCursor === undefined) break
      cursor = nextCursor
    }
    return found
  })
}

type RemoteCall = {
  name: string
  input: unknown
  /** The same again is the same call, for a server that heeds it. */
  key?: string
  /** From here on it may have been done. */
  onSent?: () => void
}

/** Calls one tool. What the server says of a failure is an answer with `isError`; all else throws. */
export async function callRemoteTool(remote: Remote, { name, input, key, onSent }: RemoteCall): Promise<RemoteAnswer> {
  const meta = key !== undefined && { _meta: { 'aurelius.dev/idempotencyKey': key } }
  return await inSession(remote, async (session) => {
    onSent?.()
    return Called.parse(await ask(session, 'tools/call', { name, arguments: input, ...meta }))
  })
}

// Opened for one thing and left: nothing of a connection outlives the call, and all of it has one deadline.
async function inSession<T>(remote: Remote, work: (session: Session) => Promise<T>): Promise<T> {
  try {
    return await withTimeout(DEADLINE_MS, async (signal) => {
      const session: Session = { remote, sent: secretsOf(remote.header), signal, headers: {}, lastId: 0 }
      const clientInfo = { name: 'aurelius', version: '1.0.0' }
      const started = Initialized.parse(
        await ask(session, 'initialize', { protocolVersion: VERSION, capabilities: {}, clientInfo }),
      )
      session.headers['mcp-protocol-version'] = started.protocolVersion
      await (await post(session, { method: 'notifications/initialized' })).body?.cancel()
      const found = await work(session)
      await leave(session)
      return found
    })
  } catch (error) {
    throw toFailure(remote.url, 'MCP', error)
  }
}

// A server that keeps sessions is told that this one is over; what it says to that changes nothing.
async function leave(session: Session): Promise<void> {
  if (session.headers['mcp-session-id'] === undefined) return
  try {
    await (await request(session, 'DELETE')).body?.cancel()
  } catch (error) {
    if (!(error instanceof Error)) throw error
  }
}

async function ask(session: Session, method: string, params: object): Promise<unknown> {
  const id = ++session.lastId
  const response = await post(session, { id, method, params })
  const sessionId = response.headers.get('mcp-session-id')
  if (sessionId !== null) session.headers['mcp-session-id'] = sessionId
  const isStream = response.headers.get('content-type')?.toLowerCase().startsWith('text/event-stream') ?? false
  for await (const text of isStream ? sseData(chunks(response)) : whole(response)) {
    const reply = Reply.parse(JSON.parse(hide(session.sent, text), storable))
    // A stream may bring notifications, or questions to us, before the answer: none is of use here.
    if (reply.id !== id || (!reply.result && !reply.error)) continue
    if (reply.error) {
      const said = `It refused ${method}: ${reply.error.message}`
      // Refused is surely not done.
      throw method === 'tools/call' ? new AppError('invalid_request', said.slice(0, 300).toWellFormed()) : refusal(said)
    }
    return reply.result
  }
  throw refusal(`It did not answer ${method}`)
}

function request({ remote, signal, headers }: Session, method: string, message?: object): Promise<Response> {
  const { url, header, policy } = remote
  const all = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...headers,
    ...(header && { [header.name]: header.value }),
  }
  const body = message && JSON.stringify({ jsonrpc: '2.0', ...message })
  return fetchOutside(url, { method, signal, headers: all, ...(body && { body }) }, policy)
}

async function post(session: Session, message: object): Promise<Response> {
  const response = await request(session, 'POST', message)
  if (response.ok) return response
  await response.body?.cancel()
  const { renew, ...remote } = session.remote
  if (response.status === 401 && renew) {
    // Once: what was renewed and is refused all the same is refused for another reason.
    const header = await renew()
    session.remote = { ...remote, header }
    session.sent.push(...secretsOf(header))
    return await post(session, message)
  }
  throw refusal(reasonOf(response))
}

function reasonOf({ status, headers }: Response): string {
  const challenge = headers.get('www-authenticate') ?? ''
  if (status === 403 && partOf(challenge, 'error') === 'insufficient_scope') {
    const scope = /^[\w:./ -]{1,200}$/.exec(partOf(challenge, 'scope') ?? '')?.[0] ?? 'it names'
    return `It wants more than was consented to: give its auth again, with the scope ${scope}`
  }
  return status === 401 || status === 403 ? `It does not let us in: HTTP ${status}` : `It answered HTTP ${status}`
}

function secretsOf(header: Header | null): string[] {
  if (!header) return []
  const parts = [header.value, header.value.split(' ').at(-1) ?? ''].filter((part) => part.length >= 8)
  return parts.flatMap((part) => [part, JSON.stringify(part).slice(1, -1)])
}

// A server that tells the secret back tells it to nobody: neither the model nor the log sees it.
function hide(secrets: string[], text: string): string {
  return secrets.reduce((said, part) => said.replaceAll(part, '[secret]'), text)
}

// No column takes a NUL or half a character: kept, one would cost the whole turn.
function storable(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '').toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fine = Object.entries(value).filter(([key]) => key.isWellFormed() && !key.includes('\0'))
  return Object.fromEntries(fine)
}
