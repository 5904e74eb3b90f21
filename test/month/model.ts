import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

const Asked = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })) })
const Fact = z.looseObject({ id: z.string(), title: z.string() })
const Question = z.object({ ask: z.string(), facts: z.record(z.string(), z.array(Fact)) })
/** `whose`: what the question ends in. `facts`: all of them as text, without what only a clock moves. */
export type ModelCall = { whose: string; facts: string }

// How late something is says no more than that it is late.
const lasting = (name: string, value: unknown) =>
  name === 'overdueDays' && typeof value === 'number' ? value > 0 : value

/** A model on loopback by OpenAI's protocol that finds something in the first fact, and remembers what it was asked. */
export async function startModel() {
  const calls: ModelCall[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request, Buffer.from)).toString()
    const { messages } = Asked.parse(JSON.parse(body))
    const { ask, facts } = Question.parse(JSON.parse(messages.findLast(({ role }) => role === 'user')?.content ?? ''))
    calls.push({ whose: ask.split(' ').at(-1) ?? '', facts: JSON.stringify(facts, lasting) })
    const [first] = Object.values(facts).flat()
    const finding = first && { title: `Look at ${first.title}`, factIds: [first.id], confidence: 0.8 }
    const findings = finding ? [{ ...finding, impact: null, alternatives: [] }] : []
    const chunk = (value: object) => response.write(`data: ${JSON.stringify(value)}\n\n`)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: JSON.stringify({ findings }) } }] })
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
    chunk({ choices: [], usage: { prompt_tokens: 200, completion_tokens: 50, total_tokens: 250 } })
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // A server that listens on a port has an address of this shape.
  const { port } = server.address() as AddressInfo
  return {
    calls,
    vars: { OPENAI_BASE_URL: `http://127.0.0.1:${port}`, OPENAI_MODELS: 'month=1/2@131072/8192' },
    async stop() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** How many calls were made with the facts of the call before for the same person. */
export function countOld(calls: ModelCall[]): number {
  const last = new Map<string, string>()
  return calls.filter(({ whose, facts }) => {
    const isOld = last.get(whose) === facts
    last.set(whose, facts)
    return isOld
  }).length
}
