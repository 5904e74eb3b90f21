import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export type Received = { id: string; headers: Record<string, string>; body: string }

/** Receives webhooks on loopback, and answers with what `reply` says; what does not verify is answered 401. */
export async function startReceiver() {
  const received: Received[] = []
  const secrets: string[] = []
  let reply: (one: Received) => { status: number; headers?: Record<string, string> } = () => ({ status: 204 })
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request, Buffer.from)).toString()
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const isSigned = secrets.some((secret) => {
      try {
        new Webhook(secret).verify(body, headers)
        return true
      } catch {
        return false
      }
    })
    if (!isSigned) return void response.writeHead(401).end()
    const one = { id: String(headers['webhook-id']), headers, body }
    received.push(one)
    const { status, headers: more } = reply(one)
    response.writeHead(status, more).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    /** What came with a right signature, in order. */
    received,
    knows: (secret: string) => void secrets.push(secret),
    forgets: (secret: string) => void secrets.splice(secrets.indexOf(secret), 1),
    answers(with_: typeof reply) {
      reply = with_
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
