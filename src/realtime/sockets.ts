import { eventFrame, type Position, position, recover } from './log.ts'
import { type ClientMessage, type Device, frame } from './protocol.ts'
import { MAX_TOPICS, type Topic } from './schema.ts'

/** What a socket remembers across hibernation. */
export type Attached = { deviceId: string; sessionId: string; connectedMs: number; topics: Topic[] }

/** The devices behind these sockets, each once with its oldest socket, oldest first. */
export function devicesOf(sockets: readonly Attached[]): Device[] {
  const first = new Map<string, Attached>()
  for (const socket of sockets) {
    const known = first.get(socket.deviceId)
    if (!known || socket.connectedMs < known.connectedMs) first.set(socket.deviceId, socket)
  }
  const sorted = [...first.values()].sort((a, b) => a.connectedMs - b.connectedMs || (a.deviceId < b.deviceId ? -1 : 1))
  return sorted.map(({ deviceId, sessionId, connectedMs }) => ({
    deviceId,
    sessionId,
    since: new Date(connectedMs).toISOString(),
  }))
}

/** What a new socket is told first: who it is, who is there, and what it missed. */
export function greet(storage: SqlStorage, attached: Attached, from: Position | null, devices: Device[]): string[] {
  const { deviceId, topics } = attached
  const here = position(storage)
  const recovery = recover(storage, from, topics)
  const common = { type: 'welcome' as const, epoch: here.epoch, deviceId, topics, devices }
  if (!recovery.recovered) {
    return [frame({ ...common, offset: here.offset, recovered: false, snapshot: recovery.snapshot })]
  }
  // Until the replay is over the client stands where it stood: were it cut off now, it would miss nothing.
  const welcome = frame({ ...common, offset: from?.offset ?? here.offset, recovered: true })
  return [welcome, ...recovery.events.map(eventFrame), frame({ type: 'synced', offset: here.offset })]
}

/** `topics`: what the socket listens to from now on, where that changed. */
export type Answer = { topics?: Topic[]; frames: string[] }

/** Answers what a client said. */
export function answerMessage(
  storage: SqlStorage,
  attached: Attached,
  message: Exclude<ClientMessage, { type: 'check' }>,
  devices: () => Device[],
): Answer {
  switch (message.type) {
    case 'presence':
      return { frames: [frame({ type: 'presence', devices: devices() })] }
    case 'leave':
      return {
        topics: attached.topics.filter((topic) => topic !== message.topic),
        frames: [frame({ type: 'left', topic: message.topic })],
      }
    case 'join':
      return join(storage, attached, message.topic, message.after)
  }
}

function join(storage: SqlStorage, { topics }: Attached, topic: Topic, after: number | undefined): Answer {
  const joined = topics.includes(topic) ? topics : [...topics, topic]
  if (joined.length > MAX_TOPICS) {
    return {
      frames: [
        frame({ type: 'error', code: 'too_many_topics', detail: `A socket joins ${MAX_TOPICS} topics at most` }),
      ],
    }
  }
  const here = position(storage)
  const recovery = recover(storage, after === undefined ? null : { epoch: here.epoch, offset: after }, [topic])
  if (!recovery.recovered) {
    return {
      topics: joined,
      frames: [frame({ type: 'joined', topic, offset: here.offset, recovered: false, snapshot: recovery.snapshot })],
    }
  }
  const frames = [
    frame({ type: 'joined', topic, offset: here.offset, recovered: true }),
    ...recovery.events.map(eventFrame),
  ]
  return { topics: joined, frames }
}
