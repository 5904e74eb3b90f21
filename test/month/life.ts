import type { Subscriber } from '#queue'
import type { Chance } from '../proofs/chance.ts'
import {
  BURST_KIND,
  DAY_MS,
  type Human,
  instantOf,
  isLiked,
  MINUTE_MS,
  nextUp,
  START_MS,
  wallMs,
  watchOf,
  writtenWall,
} from './people.ts'
import type { Shell } from './shell.ts'
import type { Timeline } from './timeline.ts'

const LABELS = ['habit', 'bill', 'waiting', '', '', '']
const PRIORITIES = ['low', 'medium', 'high', 'urgent'] as const
const WORDS = ['roof', 'invoice', 'dentist', 'garage', 'passport', 'violin', 'ladder', 'harbour', 'lantern', 'orchard']
const VERBS = ['Call about the', 'Order the', 'Mend the', 'Write up the', 'Fetch the', 'Ask about the']
const BURST = 14

/** What the oracle expects of a person: by subject and instant. */
export type Expected = { reminders: Map<string, number>; events: Set<string>; schedules: Set<number> }
type Stage = { shell: Shell; timeline: Timeline; chance: Chance; endMs: number }
export type Told = { id: string; userId: string; kind: string; status: string; proposedAt: string | null }
/** What reached the people: suggestions that are open at each of them, and the most there were. */
export type Phones = {
  subscriber: Subscriber
  mostOpen: Map<string, number>
  onOffer(react: (told: Told) => void): void
}

/** Their phones: they hear of suggestions as any client does, and look at one once. */
export function makePhones(): Phones {
  const open = new Map<string, Set<string>>()
  const mostOpen = new Map<string, number>()
  const seen = new Set<string>()
  let react: (told: Told) => void = () => {}
  return {
    mostOpen,
    onOffer: (hear) => {
      react = hear
    },
    subscriber: {
      name: 'phones',
      wants: (type) => type === 'suggestion.created' || type === 'suggestion.updated',
      async handle(_ctx, events) {
        for (const { data, userId } of events) {
          const told = { ...(data as Omit<Told, 'userId'>), userId }
          const theirs = open.get(userId) ?? new Set()
          open.set(userId, theirs)
          if (told.status === 'proposed' || told.status === 'seen') theirs.add(told.id)
          else theirs.delete(told.id)
          mostOpen.set(userId, Math.max(mostOpen.get(userId) ?? 0, theirs.size))
          if (told.status !== 'proposed' || seen.has(`${told.id} ${told.proposedAt}`)) continue
          seen.add(`${told.id} ${told.proposedAt}`)
          react(told)
        }
      },
    },
  }
}

/** What they do about a suggestion, some time after it reached them and while they are up. */
export function reactTo(stage: Stage, human: Human, { id, kind }: Told): void {
  const { shell, timeline, chance } = stage
  const atMs = nextUp(human, shell.clock.ms + (5 + chance.int(90)) * MINUTE_MS) + chance.int(20 * MINUTE_MS)
  const mood = chance.next()
  const likesIt = isLiked(human, kind, shell.clock.ms)
  const does = likesIt
    ? mood < 0.85
      ? 'approve'
      : mood < 0.9
        ? 'dismiss'
        : mood < 0.95
          ? 'snooze'
          : 'ignore'
    : mood < 0.7
      ? 'dismiss'
      : 'ignore'
  if (does === 'ignore') return
  timeline.at(atMs, async () => {
    const ctx = shell.actor(human.userId)
    const { approveSuggestion, dismissSuggestion, snoozeSuggestion } = shell.source
    try {
      if (does === 'approve') await approveSuggestion(ctx, id, {})
      else if (does === 'dismiss') await dismissSuggestion(ctx, id, {})
      else await snoozeSuggestion(ctx, id, { minutes: 60 })
    } catch (error) {
      // It ran out before they looked.
      if (!/The suggestion is/.test(String(error))) throw error
    }
  })
}

/** Makes all that stands from the first day on: workflows of templates, series, a schedule. */
export async function moveIn(stage: Stage, human: Human, expected: Expected): Promise<void> {
  const { shell, chance, endMs } = stage
  const { source } = shell
  const { userId, zone } = human
  for (const template of human.workflows)
    await source.useTemplate(shell.actor(userId), { template, params: {}, enabled: true })
  if (human.hasModel) {
    const made = { name: 'Watch', description: '', savesMinutes: 0, params: {}, enabled: true, note: '' }
    await source.createWorkflow(shell.actor(userId), { ...made, definition: watchOf(human) })
  }
  const today = Math.floor(wallMs(zone, START_MS) / DAY_MS) * DAY_MS
  const days = Array.from({ length: Math.ceil((endMs - START_MS) / DAY_MS) + 1 }, (_, n) => today + (n + 1) * DAY_MS)
  for (let n = 0; n < human.series; n++) {
    const minutes = chance.pick([0, 5, 10, 30, 60])
    // Some of them in the night, in which clocks are changed.
    const of = (n === 1 ? chance.int(240) : human.wakes + 60 + chance.int(600)) * MINUTE_MS
    const weekdays = chance.shuffle([1, 2, 3, 4, 5, 6, 0]).slice(0, 1 + chance.int(4))
    const names = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']
    const falls = days.filter((day) => weekdays.includes(new Date(day).getUTCDay()))
    const [first] = falls
    if (first === undefined) continue
    const rrule = `FREQ=WEEKLY;BYDAY=${weekdays.map((day) => names[day]).join()}`
    const event = await source.createEvent(shell.actor(userId), {
      ...{ title: `${chance.pick(VERBS)} ${chance.pick(WORDS)}`, reminders: [minutes], recurrence: rrule },
      start: { ...writtenWall(first + of), timeZone: zone },
    })
    const dropped = falls[2 + chance.int(3)]
    if (dropped !== undefined)
      await source.deleteEvent(shell.actor(userId), event.id, { occurrence: writtenWall(dropped).date })
    for (const day of falls) {
      const atMs = instantOf(zone, day + of) - minutes * MINUTE_MS
      if (day !== dropped && atMs > START_MS && atMs <= endMs) expected.events.add(`${event.id} ${atMs}`)
    }
  }
  if (!human.hasSchedule) return
  const minutes = chance.int(1440)
  await source.createSchedule(shell.actor(userId), {
    name: 'Every day',
    when: { kind: 'cron', cron: `${minutes % 60} ${Math.floor(minutes / 60)} * * *`, timeZone: zone },
    missed: 'once',
    action: { kind: 'notify', title: 'Every day', body: '', priority: 'low' },
  })
  for (const day of [today, ...days]) {
    const atMs = instantOf(zone, day + minutes * MINUTE_MS)
    if (atMs > START_MS && atMs <= endMs) expected.schedules.add(atMs)
  }
}

/** What they will do on one day, by the clock on their wall. */
export function liveDay(stage: Stage, human: Human, expected: Expected, day: number): void {
  const { shell, timeline, chance, endMs } = stage
  const { source } = shell
  const { userId, zone } = human
  const me = () => shell.actor(userId)
  const today = Math.floor(wallMs(zone, START_MS) / DAY_MS) * DAY_MS + day * DAY_MS
  const length = human.sleeps - human.wakes
  const someTime = () =>
    instantOf(zone, today + (human.wakes + chance.int(length)) * MINUTE_MS) + 1000 + chance.int(50_000)
  const at = (ms: number, act: () => Promise<unknown>) => {
    if (ms > START_MS + DAY_MS / 24 && ms < endMs) timeline.at(ms, act)
  }
  const tasks = Math.floor(human.tasksADay + chance.next())
  for (let n = 0; n < tasks; n++) at(someTime(), () => makeTask(stage, human, expected, today))
  // What changes nothing: a task written again as it is, a chat.
  if (chance.next() < 0.4)
    at(someTime(), async () => {
      const { items } = await source.tasks.listTasks(me(), { limit: 3, sort: 'due', open: true })
      const [task] = items
      if (task) await source.tasks.updateTask(me(), task.id, { title: task.title }, '*')
    })
  if (chance.next() < 0.3)
    at(someTime(), () => source.createConversation(me(), { title: `About the ${chance.pick(WORDS)}` }))
  if (chance.next() < 0.5) at(someTime(), () => source.markAllRead(me()))
  if (human.isBursting && day % 3 === 1) {
    const from = someTime()
    for (let n = 0; n < BURST; n++) at(from + n * 11 * MINUTE_MS, () => burst(stage, human, `${day}.${n}`))
  }
}

async function makeTask({ shell, timeline, chance, endMs }: Stage, human: Human, expected: Expected, today: number) {
  const { source, clock } = shell
  const { userId, zone } = human
  const label = chance.pick(LABELS)
  const due = today + chance.int(5) * DAY_MS
  // At any time of the day: also of the night in which clocks are changed.
  const wall = wallMs(zone, clock.ms) + (30 + chance.int(3 * 1440)) * MINUTE_MS
  const ringsAt = Math.floor(wall / MINUTE_MS) * MINUTE_MS
  const dueMs = instantOf(zone, ringsAt)
  const hasReminder = chance.next() < 0.6 && dueMs > clock.ms
  const { id } = await source.tasks.createTask(shell.actor(userId), {
    title: `${chance.pick(VERBS)} ${chance.pick(WORDS)} ${chance.int(100)}`,
    ...{ labels: label ? [label] : [], priority: chance.pick(PRIORITIES) },
    ...(chance.next() < 0.85 && { due: { date: writtenWall(due).date } }),
    ...(chance.next() < 0.5 && { estimateMinutes: 15 + chance.int(200) }),
    ...(hasReminder && { remindAt: { ...writtenWall(ringsAt), timeZone: zone } }),
  })
  if (hasReminder && dueMs <= endMs) expected.reminders.set(id, dueMs)
  if (chance.next() > 0.8) return
  const doneMs = nextUp(human, clock.ms + (60 + chance.int(6 * 1440)) * MINUTE_MS) + 7000
  if (doneMs < endMs)
    timeline.at(doneMs, async () => {
      await source.tasks.completeTask(shell.actor(userId), id)
      if ((expected.reminders.get(id) ?? 0) > clock.ms) expected.reminders.delete(id)
    })
}

/** More than anybody wants to hear, said by another room than workflows. */
async function burst({ shell, chance }: Stage, { userId }: Human, key: string): Promise<void> {
  const subject = `${chance.pick(WORDS)} ${chance.int(10_000)}`
  await shell.source.proactivity.propose(shell.actor(userId), {
    ...{
      key: `said:${key}`,
      kind: BURST_KIND,
      title: `${chance.pick(VERBS)} ${subject}`,
      body: '',
      actions: [],
      alternatives: [],
    },
    why: { trigger: 'said', facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null },
    ...{ confidence: 0.7, priority: 'important', source: { kind: 'system' }, tainted: false },
    expiresAt: new Date(shell.clock.ms + 12 * 60 * MINUTE_MS).toISOString(),
  })
}
