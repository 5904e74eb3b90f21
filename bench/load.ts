import { Agent, request } from 'node:http'
import { type Ask, OPERATIONS, type Operation, type Person } from './operations.ts'

export type Init = { url: string; people: Person[] }
export type Load = { operation: Operation; connections: number; ms: number }
/** `trips` is the sum of what Server-Timing said, null when it said nothing. */
export type Answered = { tookMs: number[]; seconds: number; trips: number | null; failures: string[] }

type Reply = { status: number; text: string; trips: number | null }

/** Each connection is kept alive and asks one thing after the other, its people taking turns. */
function createLoad({ url, people }: Init) {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
  const counts = new Map<string, number>()

  const send = ({ method, path, body, headers }: Ask, token: string) =>
    new Promise<Reply>((resolve, reject) => {
      const content = body && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const sent = { authorization: `Bearer ${token}`, ...headers, ...content }
      const call = request({ agent, hostname, port, method, path, headers: sent }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const [, said] = /trips=(\d+)/.exec(String(response.headers['server-timing'])) ?? []
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, text, trips: said === undefined ? null : Number(said) })
        })
      })
      call.on('error', reject).end(body)
    })

  return async ({ operation, connections, ms }: Load): Promise<Answered> => {
    const answered: Answered = { tookMs: [], seconds: 0, trips: null, failures: [] }
    const started = performance.now()
    const connect = async (first: number) => {
      for (let i = first; performance.now() - started < ms; i += connections) {
        const person = people[i % people.length]
        if (!person) return
        const counted = `${operation} ${person.userId}`
        const n = counts.get(counted) ?? 0
        counts.set(counted, n + 1)
        const asked = performance.now()
        const { status, text, trips } = await send(OPERATIONS[operation](person, n), person.accessToken)
        answered.tookMs.push(performance.now() - asked)
        if (trips !== null) answered.trips = (answered.trips ?? 0) + trips
        const isWhole = operation !== 'turn' || text.includes('turn.ended')
        if (status >= 300 || !isWhole) answered.failures.push(`${status} ${text.slice(0, 300)}`)
        else if (operation === 'refresh') person.refreshToken = JSON.parse(text).refreshToken
      }
    }
    await Promise.all(Array.from({ length: connections }, (_, first) => connect(first)))
    return { ...answered, seconds: (performance.now() - started) / 1000 }
  }
}

// A process of its own, so that it shares no event loop with the gateway.
if (process.send) {
  let load: ReturnType<typeof createLoad> | undefined
  process.on('disconnect', () => process.exit())
  process.on('message', async (message: Init | Load) => {
    if ('url' in message) load = createLoad(message)
    else process.send?.(await load?.(message))
  })
}
