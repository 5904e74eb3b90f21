import { z } from 'zod'
import { Topic } from './schema.ts'

const MAX_MESSAGE_CHARS = 2_048

const offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const at = z.iso.datetime()

/** What a client says. `ping` is answered `pong` by the runtime, without waking anything. */
export const ClientMessage = z.discriminatedUnion('type', [
  // `after`: send again what this topic said since then, before what is new.
  z.strictObject({ type: z.literal('join'), topic: Topic, after: offset.optional() }),
  z.strictObject({ type: z.literal('leave'), topic: Topic }),
  z.strictObject({ type: z.literal('presence') }),
  z.strictObject({ type: z.literal('check'), token: z.string().max(100) }),
])
export type ClientMessage = z.infer<typeof ClientMessage>

export const Device = z.strictObject({ deviceId: z.string(), sessionId: z.string(), since: at })
export type Device = z.infer<typeof Device>

/** What is read by REST where the log cannot say what was missed. */
const Snapshot = z.array(z.strictObject({ topic: Topic, path: z.string() }))
export type Snapshot = z.infer<typeof Snapshot>

const devices = z.array(Device)

/** What the server says. A client keeps the last `offset` it was told, with `epoch`, and brings both when it returns. */
export const ServerMessage = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    epoch: z.string(),
    offset,
    recovered: z.boolean(),
    deviceId: z.string(),
    topics: z.array(Topic),
    devices,
    snapshot: Snapshot.optional(),
  }),
  // `omitted`: the data is too large to be pushed; read the object instead. Versions in `data` tell late from new.
  z.strictObject({
    type: z.literal('event'),
    offset,
    topic: Topic,
    id: z.string(),
    event: z.string(),
    at,
    data: z.unknown(),
    omitted: z.literal(true).optional(),
  }),
  // Everything up to `offset` that this socket listens to was sent.
  z.strictObject({ type: z.literal('synced'), offset }),
  z.strictObject({
    type: z.literal('joined'),
    topic: Topic,
    offset,
    recovered: z.boolean(),
    snapshot: Snapshot.optional(),
  }),
  z.strictObject({ type: z.literal('left'), topic: Topic }),
  // To be sent back as it is: so the server knows what was read. Comes only after a lot.
  z.strictObject({ type: z.literal('check'), token: z.string() }),
  z.strictObject({ type: z.literal('presence'), devices }),
  z.strictObject({
    type: z.literal('error'),
    code: z.enum(['invalid_message', 'too_many_topics']),
    detail: z.string(),
  }),
])
export type ServerMessage = z.infer<typeof ServerMessage>

/** Why the server closes; the reason says the same in words, or in JSON where it carries a number. */
export const CLOSE = {
  sessionEnded: [4001, 'session_ended'],
  erased: [4002, 'erased'],
  tooSlow: [4008, 'too_slow'],
  storm: [4009, 'reconnect_storm'],
  renew: [4010, 'renew'],
  tooManySockets: [4011, 'too_many_sockets'],
  tooManyMessages: [4012, 'too_many_messages'],
} as const

// What a peer may be told but never says itself.
const UNSPEAKABLE = new Set([1004, 1005, 1006, 1015])

/** The code that answers a close. */
export function closeEcho(code: number): number {
  return UNSPEAKABLE.has(code) ? 1000 : code
}

/** Where the present state of these topics is read. */
export function snapshotOf(topics: readonly Topic[]): Snapshot {
  return topics.flatMap((topic) => {
    const [room, id] = topic.split(':')
    if (topic === 'presence') return []
    if (topic === 'mail') return [{ topic, path: '/v1/mail/drafts' }]
    if (topic === 'calendar') return [{ topic, path: '/v1/calendar/upcoming' }]
    return [{ topic, path: id === undefined ? `/v1/${room}` : `/v1/${room}s/${id}` }]
  })
}

/** What a client sent, or why it cannot be understood. */
export function readMessage(raw: string | ArrayBuffer): ClientMessage | { type: 'invalid'; detail: string } {
  if (typeof raw !== 'string') return { type: 'invalid', detail: 'Messages are text' }
  if (raw.length > MAX_MESSAGE_CHARS) return { type: 'invalid', detail: `At most ${MAX_MESSAGE_CHARS} characters` }
  const parsed = ClientMessage.safeParse(parse(raw))
  return parsed.success ? parsed.data : { type: 'invalid', detail: 'Not a message of this protocol' }
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw)
  } catch {
    return undefined
  }
}

export function frame(message: ServerMessage): string {
  return JSON.stringify(message)
}
