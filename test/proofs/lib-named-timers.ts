import { newSecrets } from '../../local/secrets.ts'
import { type ClockedDatabase, startClockedDatabase } from '../month/database.ts'
import { openShell, type Shell } from '../month/shell.ts'
import { createTimeline } from '../month/timeline.ts'
import { makeId } from '../world.ts'
import type { Chance } from './chance.ts'
import { jobsOf } from './lib-timed-jobs.ts'
import { scaled } from './proof.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const AFTER_MS = 3 * MINUTE_MS
const LIFE_MS = 75 * MINUTE_MS
const ROUNDS = 4
// Before what is held for the shortest time is due.
const AT_ONCE_MS = 5001
// No alarm of a whole minute is still on its way.
const HALF_MINUTE_MS = 30_001
const AWAY_MS = 6 * HOUR_MS
// An alarm is a second late at most.
const ON_TIME_MS = 2000
const EARLY_MS = 1000
const TICK_LATE_MS = 5000
/** Until the next tick of the cron, and what it sets off. */
const NEXT_TICK_MS = MINUTE_MS + TICK_LATE_MS + ON_TIME_MS
/** `away`: nothing runs for six hours; `ahead`: a clock is six hours ahead, once. */
type Sky = 'steady' | 'away' | 'ahead'
/** What a person's object loses at some moment. */
type Loss = 'nothing' | 'rows' | 'alarm'
export type Gap = { fromMs: number; toMs: number }
/** What is looked at: all that is due by then. */
type Span = { untilMs: number; gap: Gap | null; sky: Sky }
type Human = { userId: string; loss: Loss; lostMs: number }
/** Something that is to happen: `found` tells for which time it did, and when. */
export type Job = { of: string; dueMs: number[]; found: () => Promise<{ forMs: number; atMs: number }[]> }
export type Ground = { database: ClockedDatabase; shell: Shell; chance: Chance; userId: string; startMs: number }

type Round = { sky: Sky; losses: Loss[]; n: number; startMs: number }

const DAY_MS = 24 * HOUR_MS
// Nothing of it is near the clock of this machine.
const START_MS = Date.parse('2031-03-10T09:20:00Z')
const LOSSES: Loss[] = ['nothing', 'rows', 'alarm', 'rows']
const FEW: Record<Sky, Loss[]> = { steady: ['rows', 'alarm'], away: ['rows'], ahead: ['nothing'] }
const SKIES = ['steady', 'away', 'ahead'] as const

/** Hours of people's lives under each sky, by a clock that is set, on a database of its own. */
export async function liveRounds(dir: string, chance: Chance, share: number) {
  const database = await startClockedDatabase({ isSmall: true })
  try {
    const outcome = { cases: 0, violations: [] as string[] }
    const rounds = SKIES.flatMap((sky) => Array.from({ length: scaled(ROUNDS, share) }, () => sky))
    for (const [n, sky] of rounds.entries()) {
      const losses = share < 1 ? FEW[sky] : LOSSES
      const round = await liveRound({ database, dir, chance }, { sky, losses, n, startMs: START_MS + n * DAY_MS })
      outcome.cases += round.cases
      outcome.violations.push(...round.violations)
    }
    return { ...outcome, rounds: rounds.length }
  } finally {
    await database.close()
  }
}

/** Lets people live for an hour and more, with a job of each kind of timer, and tells of all that did not happen as it should. */
async function liveRound(
  { database, dir, chance }: { database: ClockedDatabase; dir: string; chance: Chance },
  { sky, losses, n, startMs }: Round,
): Promise<{ cases: number; violations: string[] }> {
  const timeline = createTimeline()
  const nobody = { name: 'nobody', wants: () => false, handle: async () => {} }
  const shell = await openShell({ dir, database, vars: await varsOf(database), timeline, chance, also: nobody })
  await shell.setClock(startMs)
  const awayMs = startMs + (n % 2 === 1 ? AT_ONCE_MS : (1 + chance.int(30)) * MINUTE_MS + HALF_MINUTE_MS)
  const gap = sky === 'steady' ? null : { fromMs: awayMs, toMs: awayMs + AWAY_MS }
  const endMs = sky === 'away' ? awayMs + AWAY_MS + AFTER_MS : startMs + LIFE_MS
  // What is due at the very end has no time to be late.
  const span = { untilMs: gap?.toMs ?? endMs - AFTER_MS, gap }
  const humans = losses.map((loss): Human => {
    const duringMs = sky === 'away' ? awayMs + HOUR_MS : startMs + AT_ONCE_MS + chance.int(LIFE_MS - 10 * MINUTE_MS)
    const lostMs = loss === 'nothing' ? Number.NaN : duringMs
    return { userId: makeId('usr'), loss, lostMs }
  })
  await moveIn(database, humans)
  const lives: { human: Human; jobs: Job[] }[] = []
  for (const human of humans) {
    const { userId, loss, lostMs } = human
    lives.push({ human, jobs: await jobsOf({ database, shell, chance, userId, startMs }, span) })
    await shell.settle()
    // While nobody is there nothing else is done at that time: it is lost before they are back.
    if (loss !== 'nothing' && sky !== 'away') timeline.at(lostMs, async () => shell.lose(userId, loss))
  }
  const ids = humans.map(({ userId }) => userId)
  const beat = async () => {
    timeline.at(Math.ceil((shell.clock.ms + 1) / MINUTE_MS) * MINUTE_MS + chance.int(TICK_LATE_MS), beat)
    // Now and then two at once, and alarms with them.
    const also = chance.int(4) === 0 ? [shell.tick(), ...ids.map((userId) => shell.fire(userId))] : []
    await Promise.all([shell.tick(), ...also])
  }
  timeline.at(startMs + chance.int(MINUTE_MS), beat)
  if (gap) timeline.at(awayMs, () => pass(shell, sky, gap, humans))
  for (let item = timeline.next(); item && item.ms <= endMs; item = timeline.next()) {
    await shell.setClock(Math.max(item.ms, shell.clock.ms))
    await item.run()
    await shell.settle()
  }
  // Of two who do the same at once one is told to come again.
  const trouble = shell.trouble.filter((what) => !what.includes('Another is at it'))
  const violations: string[] = trouble.map((what) => `${sky}: ${what}`)
  let cases = 0
  for (const { human, jobs } of lives)
    for (const job of jobs) {
      cases += job.dueMs.length
      for (const problem of await problemsOf(job, human, { ...span, sky }))
        violations.push(`${sky}, ${human.loss} lost: ${problem}`)
    }
  await database.query('delete from users where id = any($1::text[])', [`{${ids.join()}}`])
  return { cases, violations }
}

async function varsOf(database: ClockedDatabase): Promise<Record<string, string>> {
  return {
    ...{ ENVIRONMENT: 'test', PUBLIC_URL: 'http://aurelius.clock', RATE_LIMIT_FACTOR: '1000', LOG_LEVEL: 'error' },
    ...{ DATABASE_URL: database.connectionString, DATABASE_FETCH_ENDPOINT: database.url },
    ...{ MAIL_PROVIDER: 'local', MAIL_LOCAL_URL: 'http://127.0.0.1:9' },
    ...(await newSecrets()),
  }
}

async function moveIn(database: ClockedDatabase, humans: Human[]): Promise<void> {
  const ids = [`{${humans.map(({ userId }) => userId).join()}}`]
  await database.query(
    `insert into users (id, email, display_name, time_zone, email_verified_at)
      select id, id || '@example.com', 'Sam', 'UTC', now() from unnest($1::text[]) id`,
    ids,
  )
  await database.query(
    `insert into suggestion_settings (user_id, max_open, max_a_day, cooldown_minutes)
      select id, 20, 100, 0 from unnest($1::text[]) id`,
    ids,
  )
}

/** Nobody is there for hours; or one machine believes that they have passed. */
async function pass(shell: Shell, sky: Sky, { fromMs, toMs }: Gap, humans: Human[]): Promise<void> {
  const fireAll = () => Promise.all([shell.tick(), ...humans.map(({ userId }) => shell.fire(userId)), shell.tick()])
  if (sky === 'away') {
    for (const { userId, loss } of humans) if (loss !== 'nothing') shell.lose(userId, loss)
    await shell.setClock(toMs)
    await fireAll()
    return
  }
  // The database has a clock of its own.
  shell.clock.ms = toMs
  await fireAll()
  await shell.settle()
  shell.clock.ms = fromMs
}

const iso = (ms: number) => new Date(ms).toISOString()

async function problemsOf({ of, dueMs, found }: Job, human: Human, span: Span): Promise<string[]> {
  const happened = (await found()).filter(({ forMs }) => forMs <= span.untilMs)
  const [expected, times] = [dueMs.toSorted((a, b) => a - b), happened.map(({ forMs }) => forMs).sort((a, b) => a - b)]
  if (expected.join() !== times.join())
    return [
      `${of} was to happen for ${expected.map(iso).join() || 'nothing'}, and did for ${times.map(iso).join() || 'nothing'}`,
    ]
  return happened.flatMap(({ forMs, atMs }) => {
    const [least, most] = boundsOf(forMs, human, span)
    return atMs < least || atMs > most ? [`${of} was ${atMs - forMs} ms off its time, ${iso(forMs)}`] : []
  })
}

/** When what is due then may happen. */
function boundsOf(dueMs: number, { lostMs }: Human, { gap, sky }: Span): [number, number] {
  // Lost with less than a tick to go, it is found by the next.
  const isLost = dueMs > lostMs - EARLY_MS && dueMs < lostMs + NEXT_TICK_MS
  const mostMs = dueMs + (isLost ? NEXT_TICK_MS : ON_TIME_MS)
  if (!gap || dueMs < gap.fromMs - EARLY_MS || dueMs > gap.toMs) return [dueMs - EARLY_MS, mostMs]
  return [sky === 'away' ? gap.toMs - EARLY_MS : gap.fromMs - EARLY_MS, gap.toMs + ON_TIME_MS]
}
