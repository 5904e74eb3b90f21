import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { type Device, disturb, type Faults, type Member } from './lib-chaos.ts'
import { arrayOf, countOnce, door, type Report, relayNow, replay, TOPICS, toldOf, unhandled } from './lib-effects.ts'
import { need } from './lib-kinds.ts'
import { type Heard, openListener } from './lib-listener.ts'
import { type Proof, scaled } from './proof.ts'

const PEOPLE = 50
const LEAST_PEOPLE = 5
const DEVICES = 4
const SECONDS = 60
const LEAST_SECONDS = 8
const WRITERS = 3
const AT_ONCE = 8
const SETTLE_MS = 30_000
const HEAR_MS = 10_000

export const proof: Proof = {
  id: 24,
  name: 'realtime resume',
  fast: true,
  sabotages: {
    'what was missed is not replayed': [
      {
        file: 'src/realtime/sockets.ts',
        find: '[welcome, ...recovery.events.map(eventFrame), ',
        replace: '[welcome, ',
      },
    ],
    'the log does not know ids': [
      { file: 'src/realtime/log.ts', find: 'if (known) return', replace: 'if (known && !id) return' },
      { file: 'src/realtime/log.ts', find: 'id text not null unique', replace: 'id text not null' },
    ],
    'topics are not asked for': [
      { file: 'src/realtime/room.ts', find: 'if (listens(ws, topic)) send(ws, text)', replace: 'send(ws, text)' },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const report: Report = (violation) => void violations.push(violation)
    const chance = createChance(seed)
    const seconds = Math.max(LEAST_SECONDS, scaled(SECONDS, share))
    const people = await world.people(Math.max(LEAST_PEOPLE, scaled(PEOPLE, share)))
    const members = await eachOf(people, AT_ONCE, (person) => enter(world, person))
    try {
      const isOver = new AbortController()
      const writing = Array.from({ length: WRITERS }, () => write(members, chance, isOver.signal))
      const faults = await disturb({ world, members, chance, seconds })
      isOver.abort()
      const written = (await Promise.all(writing)).reduce((sum, count) => sum + count, 0)
      await settle(world, people, report)
      const deadlineMs = performance.now() + HEAR_MS
      const results = await eachOf(members, AT_ONCE, (member) => compare(world, member, deadlineMs, report))
      const cases = results.reduce((sum, count) => sum + count, 0)
      return { cases, violations, notes: notesOf(members, written, seconds, faults) }
    } finally {
      for (const { devices } of members) for (const { listener } of devices) listener.stop()
    }
  },
}

// Each device of a person listens to something else.
async function enter({ url }: World, person: Person): Promise<Member> {
  const { id } = await need(person, 'POST', '/v1/conversations', {})
  const conversation = `conversation:${id}`
  const wishes = [
    [...TOPICS, conversation],
    ['tasks', 'me'],
    ['projects', 'memories'],
    ['tasks', conversation],
  ]
  const devices: Device[] = []
  for (const topics of wishes.slice(0, DEVICES)) {
    devices.push({
      topics,
      listener: await openListener(door(url, person.accessToken), { topics, returns: true }),
    })
  }
  return { person, conversation: id, devices, asked: new Set(), rests: false }
}

/** Changes one thing after another until it is over; answers how often it was answered. */
async function write(members: Member[], chance: Chance, isOver: AbortSignal): Promise<number> {
  let written = 0
  while (!isOver.aborted) {
    const member = chance.pick(members.filter(({ rests }) => !rests))
    const { person, conversation } = member
    const [path, body] = chance.pick([
      ['/v1/tasks', { title: `task ${written}` }],
      ['/v1/tasks', { title: `task ${written}`, priority: 'high' }],
      ['/v1/projects', { name: `project ${written}` }],
      ['/v1/memories', { text: `memory ${written}` }],
      ['/v1/me', { displayName: `Sam ${written}` }],
      [`/v1/conversations/${conversation}/messages`, { text: `add milk ${written} to my list` }],
    ] as const)
    const asking = need(person, path === '/v1/me' ? 'PATCH' : 'POST', path, body).then(
      () => void written++,
      // What was on its way when the Worker went down is not answered; whether it was done, the outbox knows.
      () => {},
    )
    member.asked.add(asking)
    await asking
    member.asked.delete(asking)
  }
  return written
}

/** Until every event was handled, and everything that was forgotten once more. */
async function settle(world: World, people: Person[], report: Report): Promise<void> {
  const deadline = performance.now() + SETTLE_MS
  const owners = arrayOf(people.map(({ userId }) => userId))
  const ids = async () =>
    (await world.query('select id from outbox where user_id = any($1::text[])', [owners])).map(({ id }) => String(id))
  let waiting = 1
  while (waiting > 0 && performance.now() < deadline) {
    await relayNow(world, owners)
    waiting = await unhandled(world, await ids(), 1000)
  }
  if (waiting > 0) report(`${waiting} events were never handled`)
}

/** Every device heard all that its topics said, in the order of the log, once; answers how much that was. */
async function compare(world: World, member: Member, deadlineMs: number, report: Report): Promise<number> {
  const { person, conversation, devices } = member
  const topics = [...TOPICS, `conversation:${conversation}`]
  const { epoch } = devices[0]?.listener.position() ?? { epoch: '' }
  const log = await replay(door(world.url, person.accessToken), epoch, topics)
  countOnce(
    'the log',
    log.filter(({ topic }) => TOPICS.includes(topic)),
    await toldOf(world, person.userId),
    report,
  )
  let cases = 0
  for (const device of devices) cases += await compareDevice(device, log, deadlineMs, report)
  return cases
}

async function compareDevice(
  { topics, listener }: Device,
  log: Heard[],
  deadlineMs: number,
  report: Report,
): Promise<number> {
  const expected = log.filter(({ topic }) => topics.includes(topic)).map(({ id }) => id)
  const last = log.at(-1)?.offset ?? Number.MAX_SAFE_INTEGER
  const isThere = () => expected.length === 0 || listener.heard.some(({ id }) => id === expected.at(-1))
  await listener.until(isThere, Math.max(1, deadlineMs - performance.now()))
  // A turn that was lost with its machine may be ended meanwhile: that came after the log was read.
  const heard = listener.heard.filter(({ offset }) => offset <= last).map(({ id }) => id)
  const lost = expected.filter((id) => !heard.includes(id))
  if (lost.length > 0) report(`${lost.length} of ${expected.length} events did not come, the first ${lost[0]}`)
  if (new Set(heard).size < heard.length) report(`${heard.length - new Set(heard).size} events came more than once`)
  if (lost.length === 0 && heard.join() !== expected.join())
    report('the events came in another order than they were told')
  for (const problem of listener.problems) report(problem)
  return expected.length
}

function notesOf(members: Member[], written: number, seconds: number, faults: Faults): string[] {
  const listeners = members.flatMap(({ devices }) => devices.map(({ listener }) => listener))
  const returns = listeners.reduce((sum, listener) => sum + listener.connects() - 1, 0)
  const did = Object.entries(faults).map(([fault, count]) => `${count} × ${fault}`)
  return [
    `${listeners.length} sockets of ${members.length} people, ${seconds} s, ${written} writes`,
    `${did.join(', ')}; ${returns} sockets came back`,
  ]
}
