import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { z } from 'zod'
import { listPage, mailPage } from './mailbox-pages.ts'

export type Mailbox = {
  url: string
  /** The settings of a world whose mail comes here. */
  vars: Record<string, string>
  /** What came, newest first; to one address, in any letter case, if one is named. */
  messages(to?: string): Received[]
  stop(): Promise<void>
}

/** `file`: where it is kept; without one it is gone with the process. `port`: taken if it is free. */
type MailboxOptions = { file?: string; port?: number }
type Answer = { status: number; type: string; body: string; csp: string }

const HOST = '127.0.0.1'
const MAX_BODY_BYTES = 500_000
const MAX_KEPT = 200
const JSON_TYPE = 'application/json; charset=utf-8'
const HTML = 'text/html; charset=utf-8'
// Nothing runs, and nothing is loaded but a mail's own page, in its frame.
const PAGE =
  "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
// Somebody else's HTML: an origin of its own, without scripts, forms or windows; its links open nowhere.
const FOREIGN =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

const Posted = z.strictObject({
  id: z.string().min(1).max(64),
  from: z.string().max(254),
  to: z.string().min(3).max(254),
  replyTo: z.string().max(254).optional(),
  kind: z.string().max(40),
  subject: z.string().max(200),
  text: z.string().max(200_000),
  html: z.string().max(200_000),
  headers: z.record(z.string().max(80), z.string().max(1000)),
})
const Received = Posted.extend({ at: z.iso.datetime() })
export type Received = z.infer<typeof Received>

/** Where mail of the local world ends: a page for people, `GET /messages?to=` for scripts, on this machine alone. */
export async function startMailbox({ file, port = 0 }: MailboxOptions = {}): Promise<Mailbox> {
  const kept = read(file)
  const keep = (mail: Received) => {
    kept.unshift(mail)
    kept.splice(MAX_KEPT)
    if (file) write(file, kept)
  }
  const messages = (to?: string) => kept.filter((mail) => !to || mail.to.toLowerCase() === to.toLowerCase())
  let hosts: string[] = []
  const server = createServer(async (request, response) => {
    const { status, type, body, csp } = await answer(request, hosts, messages, keep)
    response.writeHead(status, {
      'content-type': type,
      'content-security-policy': csp,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    response.end(body)
  })
  const taken = await listen(server, port)
  hosts = [`${HOST}:${taken}`, `localhost:${taken}`]
  const url = `http://${HOST}:${taken}`
  return {
    url,
    vars: { MAIL_PROVIDER: 'local', MAIL_LOCAL_URL: url },
    messages,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** Listens on the port, or on any other where it is taken. */
export async function listen(server: Server, port: number): Promise<number> {
  try {
    server.listen(port, HOST)
    await once(server, 'listening')
  } catch (error) {
    if (port === 0) throw error
    return await listen(server, 0)
  }
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

type Messages = (to?: string) => Received[]

async function answer(
  request: IncomingMessage,
  hosts: string[],
  messages: Messages,
  keep: (mail: Received) => void,
): Promise<Answer> {
  // A page whose name was made to lead here is not let in.
  if (!hosts.includes(request.headers.host ?? '')) return plain(421, 'this mailbox has another address')
  const url = new URL(request.url ?? '/', `http://${HOST}`)
  if (request.method === 'POST' && url.pathname === '/messages') return await take(request, keep)
  if (request.method !== 'GET') return plain(405, 'only GET is offered here')
  const [, name, id = '', part] = url.pathname.split('/')
  if (url.pathname === '/') return { status: 200, type: HTML, body: listPage(messages()), csp: PAGE }
  if (name !== 'messages') return plain(404, 'there is nothing here')
  if (id === '') {
    const items = messages(url.searchParams.get('to') ?? undefined)
    return { status: 200, type: JSON_TYPE, body: JSON.stringify({ items }), csp: PAGE }
  }
  const mail = messages().find((one) => one.id === id)
  if (!mail) return plain(404, 'this mail is not here, or no longer')
  if (part === 'html') return { status: 200, type: HTML, body: mail.html, csp: FOREIGN }
  return { status: 200, type: HTML, body: mailPage(mail), csp: PAGE }
}

async function take(request: IncomingMessage, keep: (mail: Received) => void): Promise<Answer> {
  // No form can send this type: a foreign page would have to ask first, and nobody answers.
  if (request.headers['content-type'] !== 'application/json') return plain(415, 'only JSON is taken')
  const text = await readBody(request)
  if (text === undefined) return plain(413, `a mail has at most ${MAX_BODY_BYTES} bytes`)
  const parsed = Posted.safeParse(parse(text))
  if (!parsed.success) return plain(400, z.prettifyError(parsed.error))
  keep({ ...parsed.data, at: new Date().toISOString() })
  return { status: 201, type: JSON_TYPE, body: JSON.stringify({ id: parsed.data.id }), csp: PAGE }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const plain = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body, csp: PAGE })

// A file that is not there, or not ours, is an empty mailbox: nothing here is anybody's only copy.
function read(file: string | undefined): Received[] {
  if (!file) return []
  try {
    return z.array(Received).parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return []
  }
}

function write(file: string, kept: Received[]): void {
  const fresh = `${file}.new`
  writeFileSync(fresh, JSON.stringify(kept), { mode: 0o600 })
  renameSync(fresh, file)
}
