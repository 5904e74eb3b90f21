import type { Chance } from '../proofs/chance.ts'
import { offsetMinutes } from '../proofs/lib-zones.ts'
import { makeId } from '../world.ts'

export const MINUTE_MS = 60_000
export const DAY_MS = 86_400_000
/** A Monday; Europe's clocks change on the 25th, those of North America on the 1st, Chile's and Australia's before. */
export const START_MS = Date.parse('2026-10-12T00:00:00Z')

const ZONES = [
  ...['Europe/Berlin', 'Europe/London', 'Europe/Lisbon', 'Europe/Helsinki', 'Europe/Athens', 'Atlantic/Azores'],
  ...['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles', 'America/St_Johns'],
  ...['America/Havana', 'America/Sao_Paulo', 'Asia/Tokyo', 'Asia/Kolkata', 'Asia/Kathmandu', 'Asia/Jerusalem'],
  ...['Asia/Beirut', 'Africa/Cairo', 'Australia/Sydney', 'Australia/Adelaide', 'Pacific/Auckland', 'Pacific/Chatham'],
]
/** Templates by the kind of their suggestions, which is their key; those of a time of day may be moved by an hour. */
const KINDS = [
  ...['morning_brief', 'evening_review', 'streak_keeper', 'overdue_triage', 'deadline_tomorrow', 'big_task_split'],
  ...[
    'habit_nudge',
    'bill_due',
    'focus_time_guard',
    'done_and_next',
    'undated_sweep',
    'weekly_planning',
    'waiting_for',
  ],
] as const
/** What a workflow of their own says, by a model. */
const MODEL_KIND = 'model_watch'
/** What they said they would do, in bursts: no kind of it rests. */
export const BURST_KIND = 'commitment'
const WORKFLOWS = 3
const LIKED = 0.45

export type Human = {
  userId: string
  zone: string
  /** Minutes of the day on the wall. */
  wakes: number
  sleeps: number
  quietHours: { from: string; to: string } | null
  workflows: string[]
  hasModel: boolean
  isBursting: boolean
  /** Kinds they like, and whether any on weekends. */
  likes: Set<string>
  isWeekendAverse: boolean
  tasksADay: number
  series: number
  hasSchedule: boolean
}

const clock = (minutes: number) => new Date((minutes % 1440) * MINUTE_MS).toISOString().slice(11, 16)

export function makeHuman(chance: Chance): Human {
  const [wakes, sleeps] = [360 + chance.int(180), 1260 + chance.int(150)]
  const workflows = chance.shuffle(KINDS).slice(0, WORKFLOWS)
  const liked = [...KINDS, MODEL_KIND, BURST_KIND].filter(() => chance.next() < LIKED)
  return {
    ...{ userId: makeId('usr'), zone: chance.pick(ZONES), wakes, sleeps, workflows },
    quietHours: chance.next() < 0.5 ? { from: clock(sleeps), to: clock(wakes) } : null,
    hasModel: chance.next() < 0.33,
    isBursting: chance.next() < 0.1,
    likes: new Set(liked),
    isWeekendAverse: chance.next() < 0.2,
    tasksADay: 0.5 + chance.next(),
    series: 1 + chance.int(2),
    hasSchedule: chance.next() < 0.5,
  }
}

/** The clock on the wall, counted as if it were UTC. */
export const wallMs = (zone: string, ms: number): number => ms + offsetMinutes(zone, ms) * MINUTE_MS

/** When a clock on the wall shows this: the first time; where it is left out, as a clock that nobody changed would. */
export function instantOf(zone: string, wall: number): number {
  const [before, after] = [wall - DAY_MS, wall + DAY_MS].map((ms) => offsetMinutes(zone, ms) * MINUTE_MS)
  const shown = [before, after]
    .flatMap((offset) => (offset === undefined ? [] : [wall - offset]))
    .filter((ms) => wallMs(zone, ms) === wall)
  return shown.length > 0 ? Math.min(...shown) : wall - (before ?? 0)
}

/** `2026-10-25`, `02:30`: as they would write it. */
export function writtenWall(wall: number): { date: string; time: string } {
  const [date = '', time = ''] = new Date(wall).toISOString().split('T')
  return { date, time: time.slice(0, 5) }
}

/** The first instant from then on at which they are up. */
export function nextUp({ zone, wakes, sleeps }: Human, ms: number): number {
  const wall = wallMs(zone, ms)
  const minutes = Math.floor((wall % DAY_MS) / MINUTE_MS)
  if (minutes >= wakes && minutes < sleeps) return ms
  const day = Math.floor(wall / DAY_MS) * DAY_MS + (minutes < wakes ? 0 : DAY_MS)
  return instantOf(zone, day + wakes * MINUTE_MS)
}

/** Whether they would take it at that time. */
export function isLiked({ likes, isWeekendAverse, zone }: Human, kind: string, ms: number): boolean {
  const isWeekend = [0, 6].includes(new Date(wallMs(zone, ms)).getUTCDay())
  return likes.has(kind) && !(isWeekendAverse && isWeekend)
}

/** The model's workflow of a person, which says whose it is. */
export const watchOf = ({ userId }: Human) => ({
  triggers: [
    { kind: 'event' as const, type: 'task.*' },
    { kind: 'cron' as const, cron: '30 7 * * *' },
  ],
  debounceSeconds: 900,
  priority: 'routine' as const,
  gather: [{ name: 'open', source: 'tasks' as const, query: { status: 'open' as const, limit: 40 } }],
  analysis: { kind: 'model' as const, ask: `What needs a look? For ${userId}`, maxFindings: 2 },
  suggestion: { kind: MODEL_KIND, title: '{{ findings[0].title }}', body: 'As it stands.', expiresMinutes: 600 },
  actions: [],
})
