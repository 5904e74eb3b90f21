import { request as rawRequest } from 'node:http'
import type { Answer } from '../world.ts'

/** Asks for a WebSocket, and answers with what is said before it is one. */
export function handshake(url: string): Promise<Answer> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
  }
  return new Promise((resolve, reject) => {
    const sent = rawRequest(url, { headers })
    const toAnswer = (status = 0, raw: string[], text: string): Answer => {
      const pairs = raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as [string, string]] : []))
      return { status, headers: new Headers(pairs), text, json: text === '' ? undefined : JSON.parse(text), ms: 0 }
    }
    sent.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(toAnswer(response.statusCode, response.rawHeaders, ''))
    })
    sent.on('response', async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      resolve(toAnswer(response.statusCode, response.rawHeaders, Buffer.concat(chunks).toString()))
    })
    sent.on('error', reject)
    sent.end()
  })
}
