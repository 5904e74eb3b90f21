import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from './mailbox.ts'
import { pushesPage } from './mailbox-pages.ts'
import { checkApns, checkFcm, fcmFailure, giveToken, makeAccounts } from './push-apps.ts'
import {
  type Browser,
  type Checked,
  checkWebPush,
  type Heard,
  makeBrowser,
  type Subscription,
  subscriptionOf,
} from './push-web.ts'

/** What reached a device. `topic`: of those alike it shows the last. */
export type Pushed = {
  service: 'web_push' | 'fcm' | 'apns'
  to: string
  topic: string | null
  at: string
  text: string
}
/** What a service did not take, and why. */
type Refused = { service: Pushed['service']; status: number; reason: string }
type Fault = { status: number; headers?: Record<string, string> } | 'break'
export type PushServices = {
  url: string
  /** The settings of a world whose pushes come here. */
  vars: Record<string, string>
  /** What came, newest first. */
  pushed: Pushed[]
  refused: Refused[]
  /** A browser of this machine subscribes; `serverKey`: no other sends to it. */
  subscribe(serverKey?: string): Subscription
  /** An endpoint or a token nobody listens to any longer. */
  forget(target: string): void
  /** How the next ones end, whatever they say; `break`: it arrives, and the answer is lost. */
  fail(...faults: Fault[]): void
  stop(): Promise<void>
}

/** `port`: taken if it is free; `now`: what time it is there. */
type Options = { port?: number; now?: () => Date }

const HOST = '127.0.0.1'
const MAX_KEPT = 200
const MAX_BYTES = 100_000

/** A push service, FCM and APNs on this machine, from their public contracts: they refuse what the real ones refuse. */
export async function startPushServices({ port = 0, now = () => new Date() }: Options = {}): Promise<PushServices> {
  const browsers = new Map<string, Browser>()
  const gone = new Set<string>()
  const faults: Fault[] = []
  const pushed: Pushed[] = []
  const refused: Refused[] = []
  const server = createServer((request, response) => void answer(request, response))
  const url = `http://${HOST}:${await listen(server, port)}`
  const accounts = makeAccounts(url)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url: path = '/' } = request
    const send = (status: number, body: object | string = '', headers: Record<string, string> = {}) => {
      const type = typeof body === 'string' ? 'text/html; charset=utf-8' : 'application/json'
      response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff', ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }
    if (request.headers.host !== new URL(url).host) return send(421)
    if (method === 'GET' && path === '/') return send(200, pushesPage(pushed))
    if (method === 'GET' && path === '/pushed') return send(200, { items: pushed, refused })
    if (method !== 'POST') return send(405)
    const body = await readBody(request)
    if (path === '/subscribe') return send(201, subscribe(body.toString('utf8') || undefined))
    if (path === '/token') {
      const token = await giveToken(accounts, body.toString('utf8'), now())
      return token ? send(200, token) : send(400, { error: 'invalid_grant' })
    }
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const [service, checked, to] = await check({ headers, body, url: path, origin: url, now: now() })
    if (!service) return send(404)
    const fault = faults.shift()
    if (fault && fault !== 'break') return send(fault.status, '', fault.headers)
    if (!checked.ok) {
      refused.unshift({ service, status: checked.status, reason: checked.reason })
      if (service === 'fcm') return send(checked.status, fcmFailure(checked.status, checked.reason))
      return send(checked.status, { reason: checked.reason })
    }
    pushed.unshift({ service, to, topic: checked.topic, at: now().toISOString(), text: checked.text })
    pushed.splice(MAX_KEPT)
    // It was heard, and its answer is lost.
    if (fault === 'break') return void request.socket.destroy()
    if (service === 'web_push') return send(201, '', { location: `${url}/message/${randomBytes(8).toString('hex')}` })
    if (service === 'apns') return send(200, '', { 'apns-id': headers['apns-id'] ?? '' })
    send(200, { name: `projects/aurelius-local/messages/${randomBytes(8).toString('hex')}` })
  }

  async function check(heard: Heard): Promise<[Pushed['service'] | null, Checked, string]> {
    const nothing: Checked = { ok: false, status: 404, reason: 'nobody is here' }
    if (heard.url.startsWith('/push/')) {
      const browser = browsers.get(heard.url)
      if (gone.has(url + heard.url)) return ['web_push', { ok: false, status: 410, reason: 'gone' }, heard.url]
      return ['web_push', browser ? await checkWebPush(browser, heard) : nothing, url + heard.url]
    }
    if (heard.url.startsWith('/3/device/')) {
      const checked = await checkApns(accounts, heard, gone)
      return ['apns', checked, heard.url.slice('/3/device/'.length)]
    }
    if (!heard.url.endsWith('/messages:send')) return [null, nothing, '']
    const checked = checkFcm(accounts, heard, gone)
    return ['fcm', checked, checked.token ?? '']
  }

  function subscribe(serverKey?: string): Subscription {
    const path = `/push/${randomBytes(16).toString('base64url')}`
    const browser = makeBrowser(serverKey)
    browsers.set(path, browser)
    return subscriptionOf(browser, url + path)
  }

  return {
    url,
    vars: accounts.vars,
    pushed,
    refused,
    subscribe,
    forget: (target) => void gone.add(target),
    fail: (...more) => void faults.push(...more),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size <= MAX_BYTES) chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
