import { flushLedger } from '../matrix-audit.ts'
import { startUpstream } from '../upstream.ts'
import { wholeVars } from '../upstream-whole.ts'
import { makeId, type Person, type Sabotage, type World } from '../world.ts'
import { createChance } from './chance.ts'
import { arrayOf } from './lib-effects.ts'
import { envelope, need } from './lib-kinds.ts'
import { type Proof, scaled } from './proof.ts'

const DAYS = 30
const TICKS_A_DAY = 24
const DAY_MS = 86_400_000
const TICK_MS = 100
const LAST_TICKS_MS = 2000
const TITLE = 'Renew the passport'

// What a workflow with a model does about every event of a task: it asks the gate, and only then the model. It looks at
// what there is, not at how often it was written.
const ANALYST: Sabotage = {
  file: 'workers/subscribers.ts',
  find: 'export const subscribers: Subscriber[] = [',
  replace: `
import { createHash } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { generate } from '#ai'
import { gate } from '#proactivity'
import { tasks } from '#tasks/tables'

const analyst: Subscriber = {
  name: 'analyst',
  wants: (type) => type.startsWith('task.'),
  async handle(system, events) {
    const userId = events[0]?.userId ?? ''
    const ctx = { ...system, actor: { kind: 'person' as const, userId, sessionId: null } }
    const facts = await ctx.db.select({ title: tasks.title, status: tasks.status }).from(tasks)
      .where(eq(tasks.userId, userId)).orderBy(tasks.id)
    const factsHash = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
    const ask = { kind: 'proof', factsHash, priority: 'routine' as const, needsModel: true, workflowId: null }
    if (!(await gate(ctx, ask)).open) return
    const said = { role: 'user' as const, at: ctx.now().toISOString(), parts: [{ type: 'text' as const, text: 'What is new?' }] }
    const request = { system: '', volatileSystem: '', messages: [said], tools: [], maxOutputTokens: 50 }
    const call = { kind: 'analyse' as const, feature: 'proactivity' as const, background: true, request }
    for await (const _ of generate(ctx, call, new AbortController().signal));
  },
}

export const subscribers: Subscriber[] = [
  analyst,`,
}

/** A clock that begins with the first look at it, and on which so many days pass meanwhile; the database has its own. */
const clockOf = (realMs: number, days: number): Sabotage => ({
  file: 'workers/context.ts',
  find: '  const now = () => new Date()\n',
  replace: `  const passed = () => Math.min(1, (Date.now() - (globalThis.began ??= Date.now())) / ${realMs})
  const now = () => new Date(passed() * ${days * DAY_MS} + globalThis.began)\n`,
})

const LOOKED_INTO: Sabotage[] = [
  {
    file: 'src/proactivity/gate.ts',
    find: "  if (lookedAt?.factsHash === factsHash) return 'nothing_new'\n",
    replace: '',
  },
  { file: 'src/proactivity/gate.ts', find: 'set: opened, setWhere: isNew', replace: 'set: opened' },
]
const ALWAYS_ALIKE: Sabotage = {
  file: 'src/proactivity/judge.ts',
  find: '  if (dismissed.length === 0) return false\n',
  replace: '',
}
const DEAF: Sabotage = {
  file: 'src/proactivity/gate.ts',
  find: "  if (settings.muted.includes(kind)) return 'muted'\n",
  replace: "  if (kind !== '') return 'muted'\n",
}

type Report = (violation: string) => void
type Scene = { world: World; fast: World; report: Report; cases: number }

export const proof: Proof = {
  id: 27,
  name: 'silence',
  fast: false,
  sabotages: {
    'what was looked into is looked into again': LOOKED_INTO,
    'a model compares where nothing was dismissed': [ALWAYS_ALIKE],
    'nothing is ever looked into': [DEAF],
  },
  /**
   * Somebody idle, with all that may wait for a clock, and somebody whose tasks are written again and again as they
   * are: no model is asked for either. Whoever has a new task is looked into once, or the proof would prove nothing.
   */
  async run(world, { seed, share }) {
    const violations: string[] = []
    const report: Report = (violation) => void violations.push(violation)
    const days = Math.max(2, scaled(DAYS, share))
    const [idle, busy] = await world.people(2)
    if (!idle || !busy) throw new Error('no people')
    await leaveWaiting(world, idle)
    const task = await need(busy, 'POST', '/v1/tasks', { title: TITLE })
    const realMs = days * TICKS_A_DAY * TICK_MS
    const upstream = await startUpstream(createChance(seed))
    const fast = await world.sabotaged([ANALYST, clockOf(realMs, days)], wholeVars(upstream.url))
    const scene: Scene = { world, fast, report, cases: 0 }
    try {
      await hear(scene, [idle, busy])
      const began = [await callsOf(scene, idle), await callsOf(scene, busy)]
      if (began.join() !== '1,1') report(`a new task was looked into ${began.join(' and ')} times, not once`)
      const deadline = Date.now() + realMs + LAST_TICKS_MS
      for (let tick = 0; Date.now() < deadline; tick++) {
        if (tick % 4 === 0) await need(busy, 'PATCH', `/v1/tasks/${task.id}`, { title: TITLE })
        await hear(scene, [idle, busy])
        await fast.scheduled()
        scene.cases += 1
      }
      const after = [await callsOf(scene, idle), await callsOf(scene, busy)]
      if (after[0] !== began[0])
        report(`a model was asked ${Number(after[0]) - Number(began[0])} times of an idle person`)
      if (after[1] !== began[1])
        report(`a model was asked ${Number(after[1]) - Number(began[1])} times where nothing changed`)
      // What was refused is in no ledger.
      if (upstream.bills.length > 0) report(`${upstream.bills.length} texts were compared by a model`)
      await isSettled(scene, idle)
      const silent = await silencesOf(scene, busy)
      if (silent === 0) report('a silence was not kept with its reason')
      return {
        cases: scene.cases,
        violations,
        notes: [`${days} days in ${scene.cases} ticks, ${silent} silences kept`],
      }
    } finally {
      await fast.stop()
      await upstream.stop()
    }
  },
}

/** What is only waiting: one put off, one withheld for the night, one that runs out, a reminder. */
async function leaveWaiting({ query }: Pick<World, 'query'>, person: Person): Promise<void> {
  await need(person, 'POST', '/v1/tasks', { title: 'Water the plants' })
  const states: [string, string | null, string][] = [
    ['snoozed', '2 hours', '20 hours'],
    ['withheld', '5 hours', '18 hours'],
    ['proposed', null, '10 hours'],
  ]
  for (const [status, wake, end] of states)
    await query(
      `insert into suggestions (id, user_id, key, kind, title, body, actions, alternatives, why, source, confidence, rank,
          priority, tainted, status, reason, fingerprint, moment, wake_at, expires_at, proposed_at)
        values ($1, $2, $1, $3, 'About ' || $3, '', '[]', '[]', '{}', '{"kind":"system"}', 0.5, 0.5, 'important', false,
          $3, case when $3 = 'withheld' then 'quiet_hours' end, $1, 'morning/weekday', now() + $4::interval,
          now() + $5::interval, case when $3 <> 'withheld' then now() end)`,
      [makeId('sug'), person.userId, status, wake, end],
    )
}

/** Everything that was told of them is delivered, whoever heard of it before. */
async function hear({ world, fast }: Scene, people: Person[]): Promise<void> {
  const owners = arrayOf(people.map(({ userId }) => userId))
  const rows = await world.query(
    `select id from outbox o where user_id = any($1::text[]) and type like 'task.%'
      and not exists (select 1 from inbox i where i.consumer = 'analyst' and i.message_id = o.id)`,
    [owners],
  )
  if (rows.length > 0) await fast.queue(rows.map(({ id }) => envelope(id)))
}

async function callsOf({ world, fast }: Scene, { userId }: Person): Promise<number> {
  await flushLedger(fast, userId)
  const [row] = await world.query('select count(*)::int as n from usage_events where user_id = $1', [userId])
  return Number(row?.n)
}

// The clock did pass: whatever waited has come and gone.
async function isSettled({ world, report }: Scene, { userId }: Person): Promise<void> {
  const left = await world.query(
    `select status from suggestions where user_id = $1 and status not in ('expired', 'withheld')`,
    [userId],
  )
  if (left.length > 0) report(`${left.map(({ status }) => status).join()} still waits after days`)
}

async function silencesOf({ world }: Scene, { userId }: Person): Promise<number> {
  const [row] = await world.query(
    `select coalesce(sum(closed), 0)::int as n from suggestion_gates where user_id = $1`,
    [userId],
  )
  return Number(row?.n)
}
