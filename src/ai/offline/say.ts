import { type Clock, type Day, type Hm, hm, type Moment, wallOf } from './clock.ts'
import type { Result, Task } from './intent.ts'
import { rhythm } from './rhythm.ts'

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const SHOWN = 25

export function dateText(day: Day, clock: Clock): string {
  const year = day.year === clock.today.year ? '' : ` ${day.year}`
  return `${WEEKDAYS[day.dayOfWeek - 1]} ${day.day} ${MONTHS[day.month - 1]}${year}`
}

export function dayName(day: Day, clock: Clock): string {
  const away = clock.today.until(day, { largestUnit: 'days' }).days
  if (away === 0) return 'today'
  if (away === 1) return `tomorrow (${dateText(day, clock)})`
  return away === -1 ? `yesterday (${dateText(day, clock)})` : dateText(day, clock)
}

export function whenText(value: Moment, clock: Clock): string {
  const { date, time } = wallOf(value, clock.zone)
  return dayName(date, clock) + (time ? ` at ${hm(time)}` : '')
}

/** "Fri 27 Nov 09:00 — Report (high)": one task on one line. */
export function line(task: Task, clock: Clock): string {
  const due = task.due ? wallOf(task.due, clock.zone) : undefined
  const away = due ? clock.today.until(due.date, { largestUnit: 'days' }).days : undefined
  const day = due ? (away === 0 ? 'Today' : away === 1 ? 'Tomorrow' : dateText(due.date, clock)) : ''
  const when = due ? `${day}${due.time ? ` ${hm(due.time)}` : ''} — ` : ''
  const marks = [
    task.priority === 'high' || task.priority === 'urgent' ? task.priority : '',
    isLate(task, clock) ? 'overdue' : '',
  ]
  const shown = marks.filter(Boolean).join(', ')
  return `${when}${task.title}${shown ? ` (${shown})` : ''}`
}

export const isOpen = (task: Task) => task.status === 'pending' || task.status === 'in_progress'

export function isLate(task: Task, clock: Clock): boolean {
  if (!task.due || !isOpen(task)) return false
  const { date, time } = wallOf(task.due, clock.zone)
  const away = clock.today.until(date, { largestUnit: 'days' }).days
  return away < 0 || (away === 0 && time !== undefined && ahead(time, clock) < 0)
}

const ahead = (time: Hm, { now }: Clock) => time.hour * 60 + time.minute - (now.hour * 60 + now.minute)

/** Numbered, so that "the second one" has a meaning. */
export function numbered(lines: string[]): string {
  if (lines.length === 1) return lines[0] ?? ''
  const shown = lines.slice(0, SHOWN).map((l, i) => `${i + 1}. ${l}`)
  return [...shown, ...(lines.length > SHOWN ? [`… and ${lines.length - SHOWN} more`] : [])].join('\n')
}

const sortKey = (task: Task, clock: Clock): string => {
  if (!task.due) return '9999'
  const { date, time } = wallOf(task.due, clock.zone)
  return `${date.toString()}T${time ? hm(time) : ''}`
}

export const byDue = (tasks: Task[], clock: Clock): Task[] =>
  tasks
    .map((task) => ({ task, key: sortKey(task, clock) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map((x) => x.task)

export const quote = (title: string) => `“${title}”`

export function titles(tasks: { title: string }[]): string {
  const names = tasks.slice(0, 6).map((t) => quote(t.title))
  const rest = tasks.length - names.length
  if (rest > 0) return `${names.join(', ')} and ${rest} more`
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : (names[0] ?? '')
}

const sameMoment = (a: Moment, b: Moment, clock: Clock) => whenText(a, clock) === whenText(b, clock)

/** "Thu 26 Nov 15:00 to 16:00" for what begins and ends within a day. */
function rangeText({ start }: Task, due: Moment, clock: Clock): string {
  const [from, to] = [start ? wallOf(start, clock.zone) : undefined, wallOf(due, clock.zone)]
  const ranges = from?.time && to.time && from.date.equals(to.date) && hm(from.time) < hm(to.time)
  return ranges && from.time && to.time
    ? `${dayName(to.date, clock)} from ${hm(from.time)} to ${hm(to.time)}`
    : `due ${whenText(due, clock)}`
}

/** What a task now says of time, for "Added …" and "Moved …". */
export function schedule(task: Task, clock: Clock): string {
  const parts: string[] = []
  if (task.due) parts.push(rangeText(task, task.due, clock))
  if (task.recurrence) parts.push(`repeats ${rhythm(task.recurrence)}`)
  const own = task.remindAt && !(task.due && sameMoment(task.due, task.remindAt, clock))
  if (own && task.remindAt) parts.push(`reminder ${whenText(task.remindAt, clock)}`)
  else if (task.remindAt) parts.push("I'll remind you then")
  return parts.join(', ')
}

/** Why a tool refused, in its own words. */
export function trouble(result: Result): string {
  if (result.ok) return ''
  if (result.code === 'declined') return 'you said no'
  return (result.detail || result.code || 'the tool gave no reason').replace(/[.\s]+$/, '')
}

export const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
