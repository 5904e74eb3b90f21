import type { When } from '#scheduler'
import type { Person, World } from '../world.ts'
import { type Chance, createChance } from './chance.ts'
import { type Clockwork, openClockwork } from './lib-clockwork.ts'
import { arrayOf, type Report } from './lib-effects.ts'
import { liveRounds } from './lib-named-timers.ts'
import { TIMER_SABOTAGES } from './lib-timer-sabotages.ts'
import { changesOf, cronOracle, onceOf, type Walk, walk } from './lib-zones.ts'
import { type Proof, scaled } from './proof.ts'
import { withSource } from './sabotage.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const [BEFORE_MS, AFTER_MS] = [3 * HOUR_MS, 9 * HOUR_MS]
const AWAY_MS = 6 * HOUR_MS
const TICK_MS = 15 * MINUTE_MS
const ON_TIME_MS = 2000
// What the policies take for an outage.
const LATE_MS = 5 * MINUTE_MS
const REMINDERS = 4
// Both changes of 2025 in each: a time that is long past, which no cron of the world's own looks at.
const YEAR = [Date.parse('2025-01-01'), Date.parse('2026-01-01')] as const
const ZONES = [
  'Europe/Berlin',
  'Europe/London',
  'Europe/Lisbon',
  'Europe/Helsinki',
  'Europe/Chisinau',
  'Atlantic/Azores',
  'America/New_York',
  'America/Chicago',
  'America/Denver',
  'America/Los_Angeles',
  'America/Halifax',
  'America/St_Johns',
  'America/Havana',
  'America/Santiago',
  'America/Asuncion',
  'Australia/Sydney',
  'Australia/Adelaide',
  'Australia/Lord_Howe',
  'Pacific/Auckland',
  'Pacific/Chatham',
  'Asia/Jerusalem',
  'Asia/Beirut',
  'Africa/Cairo',
]
const POLICIES = ['skip', 'once', 'all'] as const
type Policy = (typeof POLICIES)[number]
/** `away`: nothing runs for six hours; `lost`: nor are there timers afterwards; `ahead`: a clock shows what is six hours off, once. */
type Weather = 'calm' | 'away' | 'lost' | 'ahead'
const WEATHERS: Weather[] = ['calm', 'away', 'lost', 'ahead']

const DUE = 'src/scheduler/due.ts'
export const proof: Proof = {
  id: 23,
  name: 'scheduled work',
  fast: true,
  sabotages: {
    'each who finds a schedule due runs it': [
      { file: DUE, find: '.where(and(isIts, eq(version, row.version)))', replace: '.where(isIts)' },
      { file: DUE, find: "cause: 'time' as const", replace: "cause: 'person' as const" },
    ],
    'the next time is the one after the last, though it has passed': [
      { file: DUE, find: 'new Date(Math.max(nowMs, row.nextAt.getTime()))', replace: 'row.nextAt' },
    ],
    'of what was missed only the last is done': [
      {
        file: 'src/scheduler/owed.ts',
        find: "if (policy === 'all') return times.map",
        replace: "if (policy === 'all') return times.slice(-1).map",
      },
    ],
    'what was missed is always done': [
      { file: 'src/scheduler/owed.ts', find: "policy === 'skip' && isLate", replace: 'false' },
    ],
    'a schedule that ran has no timer again': [
      { file: 'src/scheduler/carry-out.ts', find: '...dues.map((due) => due.schedule)', replace: '' },
    ],
    ...TIMER_SABOTAGES,
  },
  /**
   * For each change of the clocks of twenty zones one person, some hours of whose life pass by a clock that is set; and
   * people who have a job of every kind of timer.
   */
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const violations: string[] = []
    const changes = ZONES.flatMap((zone) => changesOf(zone, ...YEAR, 1).map((ms) => ({ zone, ms })))
    const taken = chance.shuffle(changes).slice(0, Math.max(WEATHERS.length, scaled(changes.length, share)))
    const people = await world.people(taken.length)
    let [cases, rounds] = [0, 0]
    try {
      await withSource(world.changes, async (dir) => {
        const clockwork = await openClockwork(world, dir, chance)
        for (const [n, person] of people.entries()) {
          const change = taken[n]
          const weather = WEATHERS[n % WEATHERS.length]
          if (!change || !weather) continue
          const report: Report = (what) => void violations.push(`${change.zone}, ${weather}: ${what}`)
          cases += await tryLife({ world, clockwork, person, chance, weather, report }, change)
        }
        const named = await liveRounds(dir, chance, share)
        cases += named.cases
        rounds = named.rounds
        violations.push(...named.violations)
      })
    } finally {
      // They are due in the past: the world's own cron would run them.
      const ids = arrayOf(people.map(({ userId }) => userId))
      await world.query('delete from schedules where user_id = any($1::text[])', [ids])
    }
    return {
      cases,
      violations,
      notes: [
        `${taken.length} changes of clocks in ${new Set(taken.map(({ zone }) => zone)).size} zones; ${rounds} rounds of every kind of timer`,
      ],
    }
  },
}

type Scene = {
  world: World
  clockwork: Clockwork
  person: Person
  chance: Chance
  weather: Weather
  report: Report
}
type Reminder = { id: string; dueMs: number }
type Made = { id: string; policy: Policy; dueMs: number[] }

async function tryLife(scene: Scene, { zone, ms }: { zone: string; ms: number }): Promise<number> {
  const { clockwork, chance, weather } = scene
  const walked = walk(zone, ms - BEFORE_MS, ms + AFTER_MS, ms)
  clockwork.clock.ms = walked.fromMs
  const reminders = await makeReminders(scene, zone, walked, ms)
  const made = await makeSchedules(scene, zone, walked)
  await clockwork.deliver()
  // Some while of the first hours, so that the change itself may be missed.
  const awayMs = weather === 'calm' ? walked.toMs : walked.fromMs + chance.int(150) * MINUTE_MS + 1
  await pass(scene, awayMs)
  if (weather !== 'calm') await weatherOf(scene, awayMs)
  await pass(scene, walked.toMs)
  const gap = weather === 'calm' ? null : { fromMs: awayMs, toMs: awayMs + AWAY_MS }
  await auditReminders(scene, reminders)
  for (const each of made) await auditSchedule(scene, each, gap)
  return reminders.length + made.reduce((sum, { dueMs }) => sum + dueMs.length, 0)
}

const wallOf = (wall: number) => {
  const [date = '', time = ''] = new Date(wall).toISOString().split(/[T.]/)
  return { date, time: time.slice(0, 5) }
}

async function makeReminders({ clockwork, person, chance }: Scene, timeZone: string, walked: Walk, ms: number) {
  const made: Reminder[] = []
  for (let n = 0; n < REMINDERS; n++) {
    const wall = ms + walked.beforeMs + (chance.int(240) - 120) * MINUTE_MS
    const remindAt = { ...wallOf(wall), timeZone }
    const { id } = await clockwork.source.createTask(clockwork.actor(person.userId), { title: 'ring', remindAt })
    made.push({ id, dueMs: onceOf(walked, wall) })
  }
  return made
}

// Of each policy one that names an hour near the change, and one of every hour.
async function makeSchedules({ clockwork, person, chance }: Scene, timeZone: string, walked: Walk): Promise<Made[]> {
  const all = (most: number, from = 0) => Array.from({ length: most }, (_, n) => n + from)
  const anyDay = { days: all(31, 1), months: all(12, 1), weekdays: all(7) }
  const made: Made[] = []
  for (const policy of POLICIES)
    for (const isHourly of [true, false]) {
      const minutes = [chance.int(60)]
      const wall = new Date(walked.fromMs + walked.beforeMs + chance.int(8 * 60) * MINUTE_MS)
      const hours = isHourly ? all(24) : [...new Set([wall.getUTCHours(), (wall.getUTCHours() + 1) % 24])]
      const when: When = { kind: 'cron', cron: `${minutes} ${isHourly ? '*' : hours} * * *`, timeZone }
      const action = { kind: 'notify', title: 'due', body: '', priority: 'low' } as const
      const input = { name: policy, when, missed: policy, action }
      const { id } = await clockwork.source.createSchedule(clockwork.actor(person.userId), input)
      made.push({ id, policy, dueMs: cronOracle(walked, { minutes, hours, ...anyDay }) })
    }
  return made
}

/** Time passes: alarms ring up to a second late, cron ticks, at times twice at once or together with an alarm. */
async function pass({ clockwork, person, chance, weather }: Scene, untilMs: number): Promise<void> {
  const { clock } = clockwork
  // What only a tick finds is not to be found so late that it counts as missed.
  const eachMs = weather === 'lost' ? LATE_MS : TICK_MS
  while (clock.ms < untilMs) {
    const tickMs = Math.floor(clock.ms / eachMs) * eachMs + eachMs
    const alarmMs = clockwork.alarmMs(person.userId) ?? Number.POSITIVE_INFINITY
    const isTick = tickMs <= alarmMs
    // An alarm of the last second rings before what comes then.
    clock.ms = Math.min(untilMs, isTick ? tickMs : Math.max(clock.ms, alarmMs) + chance.int(1000))
    const fire = () => clockwork.fire(person.userId)
    if (chance.int(3) === 0) await Promise.all([fire(), clockwork.tick(2), fire()])
    else if (isTick) await clockwork.tick(1 + chance.int(2))
    else await fire()
    await clockwork.deliver()
  }
  await clockwork.fire(person.userId)
  await clockwork.deliver()
}

async function weatherOf({ clockwork, person, weather }: Scene, awayMs: number): Promise<void> {
  const { clock } = clockwork
  if (weather === 'lost') clockwork.lose(person.userId)
  clock.ms = awayMs + AWAY_MS
  // Those who come back first, all at once.
  await Promise.all([clockwork.fire(person.userId), clockwork.tick(2)])
  await clockwork.deliver()
  if (weather === 'ahead') clock.ms = awayMs + MINUTE_MS
}

async function auditReminders({ world, person, weather, report }: Scene, reminders: Reminder[]): Promise<void> {
  const rows = await world.query(
    `select dedupe_key, scheduled_at from notifications where user_id = $1 and kind = 'reminder'`,
    [person.userId],
  )
  for (const { id, dueMs } of reminders) {
    const mine = rows.filter(({ dedupe_key }) => String(dedupe_key).startsWith(`reminder:${id}:`))
    if (mine.length !== 1) report(`the reminder of ${iso(dueMs)} was given ${mine.length} times`)
    for (const { scheduled_at } of mine)
      if (new Date(String(scheduled_at)).getTime() !== dueMs) report(`${iso(dueMs)} was given for ${scheduled_at}`)
  }
  if (rows.length !== reminders.length) report(`${rows.length} reminders in ${weather}`)
}

const iso = (ms: number) => new Date(ms).toISOString()

/** What is to be found of a schedule: each due time once, those of the gap by its policy. */
function expectedOf({ policy, dueMs }: Made, gap: { fromMs: number; toMs: number } | null): string[] {
  const isIn = (ms: number) => gap !== null && ms > gap.fromMs && ms <= gap.toMs
  const missed = dueMs.filter(isIn)
  const last = missed.at(-1)
  const caught = policy === 'all' ? missed : last === undefined ? [] : [last]
  const isSkipped = (ms: number) => policy === 'skip' && isIn(ms) && gap !== null && gap.toMs - ms > LATE_MS
  return [...dueMs.filter((ms) => !isIn(ms)), ...caught]
    .sort((a, b) => a - b)
    .map((ms) => `${iso(ms)} ${isSkipped(ms) ? 'missed 0' : 'done 1'}`)
}

async function auditSchedule(
  { world, report, weather }: Scene,
  made: Made,
  gap: { fromMs: number; toMs: number } | null,
): Promise<void> {
  const rows = await world.query(
    `select r.due_at, r.started_at, r.status, count(n.id)::int as told from schedule_runs r
      left join notifications n on n.user_id = r.user_id and n.dedupe_key = 'schedule:' || r.id
      where r.schedule_id = $1 group by r.id order by r.due_at`,
    [made.id],
  )
  const found = rows.map(({ due_at, status, told }) => `${new Date(String(due_at)).toISOString()} ${status} ${told}`)
  const expected = expectedOf(made, gap)
  if (found.join() !== expected.join())
    report(
      `${made.policy}: ${found.filter((run) => !expected.includes(run)).join()} in place of ${expected.filter((run) => !found.includes(run)).join()}, ${found.length} for ${expected.length}`,
    )
  for (const { due_at, started_at } of rows) {
    const lateMs = new Date(String(started_at)).getTime() - new Date(String(due_at)).getTime()
    if (weather === 'calm' && Math.abs(lateMs) > ON_TIME_MS) report(`a run began ${lateMs} ms after its time`)
  }
}
