import { setTimeout as wait } from 'node:timers/promises'
import type { Person, Sabotage, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { arrayOf, auditPerson, door, type Report, TOPICS, unhandled } from './lib-effects.ts'
import { auditJobs, jobsOf } from './lib-jobs.ts'
import { clock, need } from './lib-kinds.ts'
import { type Listener, openListener } from './lib-listener.ts'
import { type Proof, scaled } from './proof.ts'

const OPERATIONS = 200
const PEOPLE = 8
const AT_ONCE = 4
// What the relay is set to: the cron of wrangler.toml, and the grace an event gives its own sender.
const INTERVAL_S = 60
const GRACE_S = 10
const MOST_BEYOND_S = 5
const EFFECT_WITHIN_MS = 8_000
const LOOK_AGAIN_MS = 50
// What the first tick did not bring, the second will not: then there is nothing to wait for.
const EFFECT_AFTER_FAILURE_MS = 500

// What is under test, not a sabotage: no message that follows a commit reaches the queue.
const DROPPED: Sabotage = {
  file: 'src/queue/outbox.ts',
  find: '[messages.length > 0 && ctx.env.EVENTS.sendBatch(messages), sendJobs(ctx.env, jobs)]',
  replace: "[Promise.reject(new Error('the queue is away'))]",
}

/** An event or a job of an operation that was answered; `atS`: when in its minute, in simulated time. */
type Committed = { id: string; userId: string; atS: number; isJob: boolean }
type Watched = { person: Person; listener: Listener }

export const proof: Proof = {
  id: 2,
  name: 'lost enqueue',
  fast: true,
  sabotages: {
    'the relay notes as dispatched what it does not send': [
      {
        file: 'src/queue/outbox.ts',
        find: '.set({\n        attempts:',
        replace: '.set({\n        dispatchedAt: sql`now()`,\n        attempts:',
      },
      { file: 'src/queue/outbox.ts', find: 'if (ids.length > 0) await send(ctx, ids)', replace: 'void send' },
    ],
    'the relay of jobs sends nothing': [
      { file: 'src/queue/jobs.ts', find: 'if (rows.length > 0) await sendOrGiveBack({ db, env }, rows)', replace: '' },
      {
        file: 'src/queue/jobs.ts',
        find: 'async function sendOrGiveBack',
        replace: 'export async function sendOrGiveBack',
      },
    ],
  },
  /**
   * Two clocks. Waiting for the relay is simulated: each operation is given a moment of its minute by chance, and each
   * tick of the cron finds due what by then is older than its grace; `available_at` is moved, nobody waits. What the
   * relay, the queue and the consumers then take is real: from the tick to the event on the person's socket.
   */
  async run(world, { seed, share }) {
    const violations: string[] = []
    const report: Report = (violation) => void violations.push(violation)
    const chance = createChance(seed)
    const losing = await world.sabotaged([DROPPED])
    const count = Math.min(PEOPLE, scaled(OPERATIONS, share))
    const people = await losing.people(count)
    // Registered as people are, which is what asks for mail.
    const registered = await eachOf(Array.from({ length: count }), 2, () => losing.person())
    const watched = await eachOf(people, AT_ONCE, async (person) => {
      const at = door(world.url, person.accessToken)
      return { person, listener: await openListener(at, { topics: TOPICS }) }
    })
    try {
      const committed = [
        ...(await commit(losing, people, scaled(OPERATIONS, share), chance)),
        ...(await jobsAsked(losing, registered, chance)),
      ]
      await waitsAll(world, committed, report)
      const recoveries: number[] = []
      for (let tickS = INTERVAL_S; tickS <= 2 * INTERVAL_S; tickS += INTERVAL_S) {
        const withinMs = recoveries.every(Number.isFinite) ? EFFECT_WITHIN_MS : EFFECT_AFTER_FAILURE_MS
        recoveries.push(...(await tick(world, watched, committed, { tickS, withinMs }, report)))
      }
      const ids = committed.flatMap(({ id, isJob }) => (isJob ? [] : [id]))
      const waiting = await unhandled(world, ids, EFFECT_WITHIN_MS)
      if (waiting > 0) report(`${waiting} events were not handled by everybody`)
      for (const { person, listener } of watched) await auditPerson(world, person, listener, report)
      for (const { userId } of registered) await auditJobs(world, userId, report)
      const effects = recoveries.filter((seconds) => Number.isFinite(seconds)).length
      if (effects < committed.length) report(`${effects} of ${committed.length} events and jobs had their effect`)
      const p95 = percentile(recoveries, 95)
      if (!(p95 <= INTERVAL_S + GRACE_S + MOST_BEYOND_S)) report(`95 % had recovered after ${p95.toFixed(1)} s only`)
      return { cases: committed.length, violations, notes: notesOf(effects, committed, recoveries) }
    } finally {
      for (const { listener } of watched) listener.stop()
      await losing.stop()
    }
  },
}

/** That many operations, one event each, answered by a Worker whose queue is away. */
async function commit(world: World, people: Person[], count: number, chance: Chance): Promise<Committed[]> {
  const shares = people.map((person, index) => ({ person, count: Math.ceil((count - index) / people.length) }))
  await eachOf(shares, AT_ONCE, async ({ person, count }) => {
    const tasks = [await need(person, 'POST', '/v1/tasks', { title: 'the first', remindAt: clock(2 * 24 * 60) })]
    for (let done = 1; done < count; done++)
      await operate(
        person,
        tasks.map(({ id }) => id),
        chance,
      ).then((made) => {
        if (made) tasks.push(made)
      })
  })
  const rows = await world.query('select id, user_id from outbox where user_id = any($1::text[])', [
    arrayOf(people.map(({ userId }) => userId)),
  ])
  return rows.map((row) => ({
    ...{ id: String(row.id), userId: String(row.user_id) },
    ...{ atS: chance.next() * INTERVAL_S, isJob: false },
  }))
}

async function jobsAsked(world: World, people: Person[], chance: Chance): Promise<Committed[]> {
  const asked = await Promise.all(
    people.map(async ({ userId }) => (await jobsOf(world, userId)).map(({ id }) => ({ id, userId }))),
  )
  return asked.flat().map((job) => ({ ...job, atS: chance.next() * INTERVAL_S, isJob: true }))
}

async function operate(person: Person, tasks: string[], chance: Chance) {
  const task = chance.pick(tasks)
  switch (chance.int(6)) {
    case 0:
    case 1:
      return await need(person, 'POST', '/v1/tasks', { title: 'another', remindAt: clock(60 + chance.int(10_000)) })
    case 2:
      return void (await need(person, 'PATCH', `/v1/tasks/${task}`, { notes: `note ${chance.next()}` }))
    case 3:
      return void (await need(person, 'POST', '/v1/projects', { name: 'a plan' }))
    case 4:
      return void (await need(person, 'POST', '/v1/memories', { text: 'likes tea' }))
    default:
      return void (await need(person, 'PATCH', '/v1/me', { displayName: `Sam ${chance.int(1000)}` }))
  }
}

/** The fault is real: all of it was committed, none of it went anywhere. */
async function waitsAll(world: World, committed: Committed[], report: Report): Promise<void> {
  const rows = await world.query(
    `select o.id from outbox o where o.id = any($1::text[]) and (o.dispatched_at is not null or o.attempts > 0
      or exists (select 1 from inbox i where i.message_id = o.id))`,
    [idsOf(committed)],
  )
  if (rows.length > 0) report(`${rows.length} events were sent although the queue was away`)
  const begun = await world.query('select id from jobs where id = any($1::text[]) and attempts > 0', [idsOf(committed)])
  if (begun.length > 0) report(`${begun.length} jobs were begun although the queue was away`)
}

/** One tick of the cron, doubled as it may be; answers how long each event it found due had been waited for. */
async function tick(
  world: World,
  watched: Watched[],
  committed: Committed[],
  { tickS, withinMs }: { tickS: number; withinMs: number },
  report: Report,
): Promise<number[]> {
  const isDue = ({ atS }: Committed) => Math.ceil((atS + GRACE_S) / INTERVAL_S) * INTERVAL_S === tickS
  const due = committed.filter(isDue)
  const later = committed.filter((event) => !isDue(event) && event.atS + GRACE_S > tickS)
  await world.query(
    `update outbox set available_at = now() + (case when id = any($1::text[]) then interval '0' else interval '1 hour' end)
      where id = any($1::text[]) or id = any($2::text[])`,
    [idsOf(due), idsOf(later)],
  )
  // Whoever asks is given any job that is ready: those of later are not, until then.
  await world.query(
    `update jobs set send_at = at, available_at = at from (select now() + (case when id = any($1::text[])
        then interval '0' else interval '1 hour' end) as at, id as job from jobs) due
      where job = id and (id = any($1::text[]) or id = any($2::text[])) and status = 'waiting'`,
    [idsOf(due), idsOf(later)],
  )
  const startedMs = performance.now()
  await Promise.all([world.scheduled(), world.scheduled()])
  const heardMs = await hear(world, watched, due, startedMs + withinMs)
  for (const { id } of later) if (heardMs(id) !== undefined) report(`${id} was sent within its grace`)
  return due.map(({ id, atS }) => tickS - atS + ((heardMs(id) ?? Infinity) - startedMs) / 1000)
}

/** When each had its effect: an event on its person's socket, a job in its row. */
async function hear(world: World, watched: Watched[], due: Committed[], untilMs: number) {
  const doneMs = await done(world, idsOf(due.filter(({ isJob }) => isJob)), untilMs)
  for (const { person, listener } of watched) {
    const waits = new Set(due.filter(({ userId }) => userId === person.userId).map(({ id }) => id))
    const isDone = () => listener.heard.filter(({ id }) => waits.has(id)).length >= waits.size
    await listener.until(isDone, Math.max(1, untilMs - performance.now()))
  }
  const all = watched.flatMap(({ listener }) => listener.heard)
  return (id: string) => doneMs.get(id) ?? all.find((event) => event.id === id)?.atMs
}

async function done(world: World, ids: string, untilMs: number): Promise<Map<string, number>> {
  const seenMs = new Map<string, number>()
  for (;;) {
    const rows = await world.query("select id, status = 'done' as done from jobs where id = any($1::text[])", [ids])
    for (const { id, done } of rows) if (done && !seenMs.has(String(id))) seenMs.set(String(id), performance.now())
    if (seenMs.size >= rows.length || performance.now() > untilMs) return seenMs
    await wait(LOOK_AGAIN_MS)
  }
}

const idsOf = (events: Committed[]) => arrayOf(events.map(({ id }) => id))

function percentile(values: number[], percent: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1] ?? Number.NaN
}

function notesOf(effects: number, committed: Committed[], recoveries: number[]): string[] {
  const waited = committed.map(({ atS }) => Math.ceil((atS + GRACE_S) / INTERVAL_S) * INTERVAL_S - atS)
  const [all, simulated] = [percentile(recoveries, 95), percentile(waited, 95)]
  return [
    `${effects} of ${committed.length} effects; 95 % after ${all.toFixed(1)} s, ${simulated.toFixed(1)} s of it simulated`,
    `(a tick each ${INTERVAL_S} s, ${GRACE_S} s of grace), the rest real; allowed ${INTERVAL_S + GRACE_S + MOST_BEYOND_S} s`,
  ]
}
