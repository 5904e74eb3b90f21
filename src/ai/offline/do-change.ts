import { Temporal } from 'temporal-polyfill'
import {
  type Clock,
  type Day,
  earlier,
  type Hm,
  type Moment,
  minutesOf,
  moment,
  momentOfInstant,
  wallOf,
  weekdayAfter,
  wholeMinute,
} from './clock.ts'
import { asTask, record } from './conversation.ts'
import { doCreate, dueOf, leadOf, reminderHour, remindOf, repeatPatch } from './do-create.ts'
import type { Call, Change, Draft, Intent, Length, Outcome, Result, Script, Target, Task, World } from './intent.ts'
import { type Resolved, resolve } from './resolve.ts'
import { following, rhythm } from './rhythm.ts'
import { line, quote, schedule, titles, trouble, whenText } from './say.ts'
import { settleHour, type When } from './when.ts'

const SNOOZE_MINUTES = 30
type Patch = Record<string, unknown>

/** "make it 6" keeps the day and the half of the day; "make it friday" keeps the hour. */
/** "no, saturday" is the saturday next to the day that was meant before. */
function nearest(weekday: number, old: Day, clock: Clock): Day {
  const days = [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7].map((n) => old.add({ days: n }))
  const fits = days.filter((d) => d.dayOfWeek === weekday && earlier(clock.today, d))
  const far = (d: Day) => Math.abs(old.until(d, { largestUnit: 'days' }).days)
  return fits.sort((a, b) => far(a) - far(b))[0] ?? weekdayAfter(clock.today, weekday)
}

function rescheduled(when: When, task: Task, clock: Clock, near = false): Moment | undefined {
  const old = task.due ? wallOf(task.due, clock.zone) : undefined
  if (when.exact || !old || when.zone) return dueOf(when, clock)
  if (when.dateSaid || (when.date && !when.raw && !when.part) || when.start) {
    const keep = when.time ?? (when.part ? undefined : old.time)
    const day = near && when.weekday ? nearest(when.weekday, old.date, clock) : when.date
    return day ? moment(day, keep, clock.zone) : undefined
  }
  if (!when.time) return undefined
  const time = when.raw ? sameHalf(when, old.time, old.date.equals(clock.today), clock) : when.time
  const late =
    old.date.until(clock.today).sign >= 0 && (!old.date.equals(clock.today) || minutesOf(time) <= minutesOf(clock.now))
  return moment(late && when.date ? when.date : old.date, time, clock.zone)
}

function sameHalf(when: When, old: Hm | undefined, today: boolean, clock: Clock): Hm {
  const raw = when.raw
  if (!raw) return when.time ?? { hour: 9, minute: 0 }
  if (raw.sure || when.part || !old)
    return settleHour(raw, { ...(when.part ? { part: when.part } : {}), today, now: clock.now })
  if (raw.hour === 12) return { hour: 12, minute: raw.minute }
  const pm = { hour: (raw.hour % 12) + 12, minute: raw.minute }
  const am = { hour: raw.hour % 12, minute: raw.minute }
  if (old.hour >= 12)
    return raw.hour >= 9 && old.hour < 16 && raw.hour !== old.hour - 12 && minutesOf(old) - minutesOf(am) < 6 * 60
      ? am
      : pm
  return raw.hour >= 7 ? am : old.hour <= 7 && raw.hour >= 5 ? am : pm
}

const moved = (at: Moment, by: Length, sign: 1 | -1, zone: string): Moment => {
  const { date, time } = wallOf(at, zone)
  const duration = sign === 1 ? Temporal.Duration.from(by) : Temporal.Duration.from(by).negated()
  if (!time)
    return moment(
      date.add(duration.minutes !== 0 ? { days: Math.trunc(duration.minutes / 1440) } : duration),
      undefined,
      zone,
    )
  const wall = date.toPlainDateTime(new Temporal.PlainTime(time.hour, time.minute)).add(duration)
  return moment(wall.toPlainDate(), { hour: wall.hour, minute: wall.minute }, zone)
}

/** The start and the reminder travel with the due time they belonged to. */
function carried(task: Task, due: Moment, clock: Clock): Patch {
  const starts = task.start && task.due ? { start: alongside(task.start, task.due, due, clock) } : {}
  return { ...starts, ...belled(task, due, clock) }
}

function alongside(start: Moment, old: Moment, due: Moment, clock: Clock): Moment {
  const [from, to] = [wallOf(old, clock.zone), wallOf(due, clock.zone)]
  const days = from.date.until(to.date, { largestUnit: 'days' }).days
  const minutes = from.time && to.time ? minutesOf(to.time) - minutesOf(from.time) : 0
  const by = { days: Math.abs(days) }
  const day = moved(start, by, days < 0 ? -1 : 1, clock.zone)
  return minutes === 0 ? day : moved(day, { minutes: Math.abs(minutes) }, minutes < 0 ? -1 : 1, clock.zone)
}

function belled(task: Task, due: Moment, clock: Clock): Patch {
  if (!task.remindAt) return { due }
  if (!task.due) return { due, remindAt: { ...due, time: due.time ?? '09:00' } }
  const [from, bell, to] = [wallOf(task.due, clock.zone), wallOf(task.remindAt, clock.zone), wallOf(due, clock.zone)]
  const days = from.date.until(to.date, { largestUnit: 'days' }).days
  const minutes = from.time && to.time ? minutesOf(to.time) - minutesOf(from.time) : 0
  const sameHour = { date: bell.date.add({ days }).toString(), time: task.remindAt.time ?? '09:00' }
  const remindAt = moved(sameHour, { minutes: Math.abs(minutes) }, minutes < 0 ? -1 : 1, clock.zone)
  return {
    due,
    remindAt: to.time && !from.time ? { date: due.date, ...(due.time ? { time: due.time } : {}) } : remindAt,
  }
}

function snoozed(task: Task, snooze: NonNullable<Change['snooze']>, clock: Clock): Patch {
  const at = snooze.when
    ? remindOf(atGoodHour(snooze.when, clock), clock)
    : momentOfInstant(wholeMinute(clock.now.add({ minutes: snooze.minutes ?? SNOOZE_MINUTES })), clock.zone)
  if (!at) return {}
  const together = task.due && task.remindAt && whenText(task.due, clock) === whenText(task.remindAt, clock)
  return { remindAt: at, ...(together ? { due: at } : {}) }
}

/** One turn of a repeating task is left out; a single task is called off. */
function skipped(task: Task, clock: Clock): Patch {
  const due = task.due ? wallOf(task.due, clock.zone) : undefined
  const next = due && task.recurrence ? following(task.recurrence, due.date, clock.today) : undefined
  return due && next ? carried(task, moment(next, due.time, clock.zone), clock) : { status: 'cancelled' }
}

const atGoodHour = (when: When, clock: Clock): When =>
  when.date && !when.time ? { ...when, time: reminderHour(when.date, clock) } : when

function patchOf(task: Task, change: Change, clock: Clock): Patch {
  const patch: Patch = {}
  const { when } = change
  if (when?.repeat) Object.assign(patch, repeatPatch(when, task, clock))
  else if (when?.lead) Object.assign(patch, leadPatch(task, when.lead, clock))
  else if (when) {
    const due = rescheduled(when, task, clock, change.near)
    if (due) Object.assign(patch, carried(task, due, clock))
    if (when.start?.time && when.date) patch.start = moment(when.date, when.start.time, clock.zone)
  }
  if (change.shift) {
    const { sign, ...by } = change.shift
    const from = task.due ?? { date: clock.today.toString() }
    Object.assign(patch, carried(task, moved(from, by, sign, clock.zone), clock))
  }
  if (change.snooze) Object.assign(patch, snoozed(task, change.snooze, clock))
  if (change.skip) Object.assign(patch, skipped(task, clock))
  if (change.title) patch.title = change.title
  if (change.priority) patch.priority = change.priority
  if (change.status) patch.status = change.status
  if (change.projectId !== undefined) patch.projectId = change.projectId
  if (change.addLabel) patch.labels = [...new Set([...task.labels, change.addLabel])]
  if (change.dropLabel) patch.labels = task.labels.filter((l) => l.toLowerCase() !== change.dropLabel)
  if (change.note) patch.notes = task.notes ? `${task.notes}\n${change.note}` : change.note
  if (change.estimate) patch.estimateMinutes = change.estimate
  if (change.clear) patch[change.clear] = null
  return patch
}

function leadPatch(task: Task, lead: { days: number; minutes: number }, clock: Clock): Patch {
  const begins = task.start?.time ? task.start : task.due
  const remindAt = begins ? leadOf(wallWhen(begins, clock), lead, clock) : undefined
  return remindAt ? { remindAt } : {}
}

function wallWhen(due: Moment, clock: Clock): When {
  const { date, time } = wallOf(due, clock.zone)
  return { date, ...(time ? { time } : {}), rel: 'on', dateSaid: true }
}

function described(task: Task, change: Change, before: Task, world: World): string {
  const { clock } = world
  const name = quote(task.title)
  if (change.title) return `Renamed ${quote(before.title)} to ${name}.`
  if (change.snooze)
    return `Snoozed ${name}${task.remindAt ? `: I'll remind you ${whenText(task.remindAt, clock)}` : ''}.`
  if (change.priority) return `${name} is now ${task.priority || change.priority} priority.`
  if (change.skip && task.status !== 'cancelled') return `Skipped ${name}: next ${schedule(task, clock)}.`
  if (change.status === 'cancelled' || change.skip) return `Cancelled ${name}.`
  if (change.status === 'in_progress') return `${name} is now in progress.`
  if (change.projectId !== undefined)
    return `Moved ${name} to ${world.projects.find((p) => p.id === task.projectId)?.name ?? 'no project'}.`
  if (change.addLabel || change.dropLabel) {
    const tags = task.labels.map((l) => `#${l}`).join(' ')
    return `${name} is now tagged ${tags || 'with nothing'}.`
  }
  if (change.note) return `Added the note to ${name}.`
  if (change.estimate) return `${name} is estimated at ${change.estimate} minutes.`
  if (change.clear === 'due') return `Removed the due date from ${name}.`
  if (change.clear === 'remindAt') return `Removed the reminder from ${name}.`
  if (change.clear === 'recurrence') return `${name} no longer repeats.`
  if (change.when?.lead)
    return task.remindAt
      ? `I'll remind you of ${name} ${whenText(task.remindAt, clock)}.`
      : `${name} has no due time to count back from.`
  if (change.when?.repeat && task.recurrence)
    return `${name} now repeats ${rhythm(task.recurrence)}${task.due ? `, next ${whenText(task.due, clock)}` : ''}.`
  return `${name} is now ${schedule(task, clock) || 'updated'}.`
}

function summary(results: Result[], tasks: Task[], change: Change, world: World): Outcome {
  const after = results.flatMap((r) => (r.ok ? (asTask(r.output) ?? []) : []))
  const failed = tasks.filter((_, i) => !results[i]?.ok)
  const bad = results.find((r) => !r.ok)
  const done = results.filter((r) => r.ok).length
  const [only] = after
  let good = ''
  if (done === 1 && only) good = described(only, change, tasks.find((t) => t.id === only.id) ?? only, world)
  else if (after.length > 1)
    good = `Updated ${after.length} tasks:\n${after.map((t, i) => `${i + 1}. ${line(t, world.clock)}`).join('\n')}`
  else if (done > 0) good = `Updated ${titles(tasks.filter((_, i) => results[i]?.ok))}.`
  const sorry = failed.length > 0 ? `I couldn't change ${titles(failed)}: ${bad ? trouble(bad) : 'no answer'}.` : ''
  return { text: [good, sorry].filter(Boolean).join(' '), written: after, wrote: done > 0 }
}

export const missedText = (missed: string[]) =>
  missed.length > 0 ? ` I found nothing for ${missed.map(quote).join(' or ')}.` : ''

type ChangeIntent = Extract<Intent, { kind: 'change' }>

/** Not there: create it if the sentence could mean that, offer to otherwise. */
function* absent(found: Extract<Resolved, { ok: false }>, intent: ChangeIntent, world: World): Script {
  if (found.which) return { text: found.text, ask: { kind: 'which', tasks: found.which, intent } }
  if (!found.missing) return { text: found.text }
  if (intent.orCreate) return yield* doCreate(intent.orCreate, world)
  const draft = offered(intent.target, intent.change)
  if (!draft) return { text: found.text }
  return {
    text: `${found.text} Shall I add ${quote(draft.title)} as a new task?`,
    ask: { kind: 'offer', intent: { kind: 'create', draft } },
  }
}

function offered(target: Target, change: Change): Draft | undefined {
  if (target.kind !== 'named' || !target.names[0] || !change.when) return undefined
  const name = target.names[0]
  return { title: name.charAt(0).toUpperCase() + name.slice(1), when: change.when, remind: false }
}

/** Only the next turn of a repeating task is there to be left out. */
function isLaterTurn(target: Target, task: Task, clock: Clock): boolean {
  const day = target.kind === 'named' && target.when?.dateSaid ? target.when.date : undefined
  if (!day || !task.due || !task.recurrence) return false
  return clock.today.until(day).sign > 0 && wallOf(task.due, clock.zone).date.until(day).sign > 0
}

export function* doChange(intent: ChangeIntent, world: World): Script {
  const closed = intent.target.kind === 'set' && intent.target.filter.status !== undefined
  const found = yield* resolve(intent.target, closed ? 'any' : intent.orCreate ? 'sure' : 'open', world)
  if (!found.ok) return yield* absent(found, intent, world)
  const [later] = intent.change.skip ? found.tasks.filter((task) => isLaterTurn(intent.target, task, world.clock)) : []
  if (later?.due)
    return {
      text: `I can only skip the next ${quote(later.title)}, which is due ${whenText(later.due, world.clock)}. Nothing was changed.`,
    }
  const calls: Call[] = found.tasks.map((task) => ({
    name: 'update_task',
    input: { id: task.id, ...patchOf(task, intent.change, world.clock) },
  }))
  const empty = calls.every((c) => Object.keys(c.input).length === 1)
  if (empty)
    return {
      text: intent.change.when?.lead
        ? `I set no reminder: ${titles(found.tasks)} has no due time to count back from.`
        : `There was nothing to change on ${titles(found.tasks)}.`,
    }
  const results = yield calls
  const outcome = summary(results, found.tasks, intent.change, world)
  return { ...outcome, text: outcome.text + missedText(found.missed) }
}

export const nextOf = (output: unknown): Task | undefined => asTask(record(output).next)
