import { once } from 'node:events'
import { WebSocket } from 'ws'
import { OBJECTS } from '../matrix-objects.ts'
import type { Person, World } from '../world.ts'

const MARKS = ['kept-by-one', 'kept-by-other'] as const
const DEADLINE_MS = 5_000
const TOPICS = [
  'tasks',
  'projects',
  'calendar',
  'memories',
  'notifications',
  'schedules',
  'workflows',
  'schedules',
  'effects',
  'me',
  'presence',
  'suggestions',
  'mail',
]
const MAKERS = ['/v1/tasks', '/v1/projects', '/v1/memories', '/v1/turns']

type Listener = { socket: WebSocket; heard: string[]; sees(mark: string): Promise<boolean> }

/** Two people listen to everything, also by the other's names; each may hear of their own only. */
export async function tryRooms(world: World): Promise<{ cases: number; violations: string[]; notes: string }> {
  const ticketed = world.operations.find(({ operationId }) => operationId === 'createRealtimeTicket')
  if (!ticketed) return { cases: 0, violations: ['there is no way to a socket'], notes: '' }
  const [one, other] = await world.people(2)
  if (!one || !other) throw new Error('no people')
  const people = [one, other] as const
  const violations: string[] = []
  const rooms = [await room(world, one), await room(world, other)] as const
  const listeners = [await listen(world, one, rooms), await listen(world, other, rooms)] as const
  try {
    for (const [index, person] of people.entries()) {
      for (const path of MAKERS) await OBJECTS[path]?.make(world, person, MARKS[index] ?? '')
      await person.api('POST', `/v1/conversations/${rooms[index]}/messages`, { body: { text: MARKS[index] ?? '' } })
    }
    for (const [index, listener] of listeners.entries()) {
      if (!(await listener.sees(MARKS[index] ?? ''))) violations.push(`person ${index + 1} does not hear of their own`)
    }
    // Whatever was still on its way is brought now, before anybody says that nothing came.
    await redeliver(world, people)
    for (const [index, { heard }] of listeners.entries()) {
      const [foreign, stranger] = [MARKS[1 - index] ?? '', people[1 - index]]
      const leaks = heard.filter(
        (message) => message.includes(foreign) || message.includes(stranger?.userId ?? foreign),
      )
      if (leaks.length > 0) violations.push(`person ${index + 1} hears of the other: ${leaks[0]?.slice(0, 160)}`)
    }
    const doors = await tryTickets(world, one, other)
    violations.push(...doors.violations)
    const heard = listeners.map((listener) => listener.heard.length)
    return {
      cases: TOPICS.length * 2 + 2 + doors.cases,
      violations,
      notes: `sockets heard ${heard.join(' and ')} messages`,
    }
  } finally {
    for (const { socket } of listeners) socket.terminate()
  }
}

async function room(world: World, person: Person): Promise<string> {
  return (await OBJECTS['/v1/conversations']?.make(world, person, 'room')) ?? ''
}

async function redeliver(world: World, people: readonly Person[]): Promise<void> {
  const rows = await world.query('select id from outbox where user_id = any($1::text[])', [
    `{${people.map(({ userId }) => userId).join(',')}}`,
  ])
  await world.queue(rows.map(({ id }) => ({ v: 1, kind: 'event', outboxId: id })))
}

async function ticketOf(person: Person): Promise<string> {
  const answer = await person.api('POST', '/v1/realtime/ticket')
  if (answer.status !== 200) throw new Error(`a ticket is answered ${answer.status}: ${answer.text}`)
  return String(JSON.parse(answer.text).ticket)
}

function open(world: World, ticket: string, topics: string[]): WebSocket {
  const query = new URLSearchParams({ ticket, topics: topics.join(',') })
  return new WebSocket(`${world.url.replace('http', 'ws')}/v1/realtime?${query}`)
}

async function listen(world: World, person: Person, rooms: readonly string[]): Promise<Listener> {
  const socket = open(world, await ticketOf(person), [...TOPICS, ...rooms.map((id) => `conversation:${id}`)])
  const heard: string[] = []
  socket.on('message', (data) => heard.push(String(data)))
  await once(socket, 'open', { signal: AbortSignal.timeout(DEADLINE_MS) })
  const sees = async (mark: string) => {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    try {
      while (!heard.some((message) => message.includes(mark))) await once(socket, 'message', { signal })
      return true
    } catch {
      return false
    }
  }
  return { socket, heard, sees }
}

/** A used ticket, and one that names another person as its owner, open nothing. */
async function tryTickets(world: World, one: Person, other: Person) {
  const ticket = await ticketOf(one)
  const swapped = (await ticketOf(one)).replace(one.userId, other.userId)
  const tries: [string, string, number][] = [
    ['a fresh ticket', ticket, 101],
    ['a used ticket', ticket, 401],
    ["a ticket with another person's name", swapped, 401],
  ]
  const violations: string[] = []
  for (const [what, tried, expected] of tries) {
    const status = await handshake(open(world, tried, []))
    if (status !== expected) violations.push(`${what} is answered ${status}`)
  }
  return { cases: tries.length, violations }
}

async function handshake(socket: WebSocket): Promise<number> {
  const refused = new Promise<number>((resolve) => {
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    socket.once('open', () => resolve(101))
    socket.once('error', () => resolve(0))
  })
  const status = await refused
  socket.on('error', () => {})
  socket.terminate()
  return status
}
