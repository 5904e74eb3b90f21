import { type Clock, type Day, type Hm, hmOf, type Moment, minutesOf, moment, momentOfInstant } from './clock.ts'
import { asTask, record, text } from './conversation.ts'
import type { Call, Draft, Intent, Outcome, Result, Script, Task, World } from './intent.ts'
import { resolve } from './resolve.ts'
import { firstDay, rruleOf } from './rhythm.ts'
import { quote, schedule, titles, trouble } from './say.ts'
import type { When } from './when.ts'

const REMIND_HOURS = [9, 12, 15, 18, 20]

/** A reminder with a day but no hour: nine, or the next good hour of today. */
export function reminderHour(day: Day, clock: Clock): Hm {
  if (!day.equals(clock.today)) return { hour: 9, minute: 0 }
  const soonest = minutesOf(clock.now) + 30
  const hour = REMIND_HOURS.find((h) => h * 60 >= soonest)
  return hour ? { hour, minute: 0 } : hmOf(Math.min(minutesOf(clock.now) + 60, 23 * 60 + 59))
}

export function dueOf(when: When, clock: Clock): Moment | undefined {
  if (when.exact) return momentOfInstant(when.exact, clock.zone)
  return when.date ? moment(when.date, when.time, clock.zone, when.zone) : undefined
}

export function remindOf(when: When, clock: Clock): Moment | undefined {
  if (when.exact) return momentOfInstant(when.exact, clock.zone)
  const day = when.start?.date ?? when.date
  if (!day) return undefined
  const time = when.start?.time ?? when.time ?? reminderHour(day, clock)
  return moment(day, time, clock.zone, when.zone)
}

/** A reminder some time ahead of the due moment. */
export function leadOf(when: When, lead: { days: number; minutes: number }, clock: Clock): Moment | undefined {
  const day = when.start?.date ?? when.date
  if (when.exact) return momentOfInstant(when.exact.subtract({ days: lead.days, minutes: lead.minutes }), clock.zone)
  if (!day) return undefined
  const time = when.start?.time ?? when.time
  if (!time && lead.minutes > 0) return undefined
  if (!time) return moment(day.subtract({ days: lead.days }), { hour: 9, minute: 0 }, clock.zone)
  const total = minutesOf(time) - lead.minutes
  const back = lead.days + (total < 0 ? Math.ceil(-total / 1440) : 0)
  return moment(day.subtract({ days: back }), hmOf(((total % 1440) + 1440) % 1440), clock.zone, when.zone)
}

function reminder(draft: Draft, clock: Clock): Moment | undefined {
  const { when, remindWhen } = draft
  const lead = remindWhen?.lead ?? when?.lead
  if (lead && when) return leadOf(when, lead, clock)
  if (remindWhen) {
    const sameDay =
      !remindWhen.dateSaid && when?.date && remindWhen.time ? { ...remindWhen, date: when.date } : remindWhen
    return remindOf(sameDay, clock)
  }
  return draft.remind && when ? remindOf(when, clock) : undefined
}

/** Tasks repeat by days at the least. */
const isSubDaily = (when: When | undefined) => when?.repeat?.freq === 'HOURLY' || when?.repeat?.freq === 'MINUTELY'

function createInput(draft: Draft, clock: Clock, more: Record<string, unknown> = {}): Record<string, unknown> {
  const { when } = draft
  const due = when ? dueOf(when, clock) : undefined
  const remindAt = reminder(draft, clock)
  const start = when?.start ? moment(when.start.date, when.start.time, clock.zone, when.zone) : undefined
  return {
    title: draft.title,
    ...(draft.notes ? { notes: draft.notes } : {}),
    ...(due ? { due } : {}),
    ...(start ? { start } : {}),
    ...(remindAt ? { remindAt } : {}),
    ...(draft.priority ? { priority: draft.priority } : {}),
    ...(draft.labels ? { labels: draft.labels } : {}),
    ...(draft.projectId ? { projectId: draft.projectId } : {}),
    ...(when?.repeat && !isSubDaily(when) ? { recurrence: rruleOf(when.repeat) } : {}),
    ...(draft.estimate ? { estimateMinutes: draft.estimate } : {}),
    ...more,
  }
}

const createCall = (draft: Draft, clock: Clock, more: Record<string, unknown> = {}): Call => ({
  name: 'create_task',
  input: createInput(draft, clock, more),
})

function added(task: Task, world: World): string {
  const when = schedule(task, world.clock)
  const project = world.projects.find((p) => p.id === task.projectId)
  const extra = [
    task.priority === 'high' || task.priority === 'urgent' ? `${task.priority} priority` : '',
    task.labels.map((l) => `#${l}`).join(' '),
  ]
  const details = [when, ...extra].filter(Boolean).join(', ')
  return `Added ${quote(task.title)}${project ? ` to ${project.name}` : ''}${details ? `: ${details}` : ''}.`
}

export function* doCreate(draft: Draft, world: World): Script {
  let parentId: string | undefined
  if (draft.parent) {
    const parent = yield* resolve({ kind: 'named', names: [draft.parent] }, 'open', world)
    if (!parent.ok || !parent.tasks[0]) return { text: parent.ok ? '' : parent.text }
    parentId = parent.tasks[0].id
  }
  const [result] = yield [createCall(draft, world.clock, parentId ? { parentId } : {})]
  if (!result?.ok) return { text: `I couldn't add ${quote(draft.title)}: ${result ? trouble(result) : 'no answer'}.` }
  const task = asTask(result.output)
  if (!task) return { text: `Added ${quote(draft.title)}.`, wrote: true }
  const once = isSubDaily(draft.when)
    ? " I can only repeat by day, week, month or year, so this one doesn't repeat."
    : ''
  const unscheduled = draft.remind && !task.remindAt && !task.due
  if (unscheduled)
    return {
      text: `${added(task, world)} When should I remind you?`,
      written: [task],
      wrote: true,
      ask: { kind: 'when', task, remind: true },
    }
  return { text: added(task, world) + once, written: [task], wrote: true }
}

type Fill = Extract<Intent, { kind: 'fill' }>

/** Into a list that may not exist yet: an open task of that name takes subtasks, else a project is made. */
export function* doFill({ list, items }: Fill, world: World): Script {
  const known = items[0]?.projectId
  let place: Record<string, unknown> | undefined = known ? { projectId: known } : undefined
  let made = ''
  if (!place && list === '' && world.state.projectId) place = { projectId: world.state.projectId }
  if (!place && list === '') place = {}
  if (!place) {
    const [result] = yield [{ name: 'create_project', input: { name: list } }]
    if (!result?.ok)
      return {
        text:
          `I couldn't make a list called ${quote(list)}: ${result ? trouble(result) : 'no answer'}. ` +
          `Nothing was added.`,
      }
    place = { projectId: text(record(result.output).id) }
    made = `Made the list ${quote(list)} and added`
  }
  const results: Result[] = yield items.map((draft) => createCall(draft, world.clock, place))
  return filled(results, items, made || 'Added', list, text(place.projectId))
}

function filled(results: Result[], items: Draft[], verb: string, list: string, projectId: string): Outcome {
  const tasks = results.flatMap((r) => (r.ok ? (asTask(r.output) ?? []) : []))
  const failed = items.filter((_, i) => !results[i]?.ok)
  const bad = results.find((r) => !r.ok)
  const good = tasks.length > 0 ? `${verb} ${titles(tasks)}${verb === 'Added' && list ? ` to ${list}` : ''}.` : ''
  const sorry = failed.length > 0 ? `I couldn't add ${titles(failed)}: ${bad ? trouble(bad) : 'no answer'}.` : ''
  return { text: [good, sorry].filter(Boolean).join(' '), written: tasks, wrote: tasks.length > 0, projectId }
}

/** The recurrence part of a change, with a first day where the task has none. */
export function repeatPatch(when: When, task: Task, clock: Clock): Record<string, unknown> {
  if (!when.repeat || isSubDaily(when)) return {}
  const recurrence = rruleOf(when.repeat)
  if (task.due && !when.time && !when.dateSaid && !when.repeat.byDay && !when.repeat.byMonthDay) return { recurrence }
  const time =
    when.time ??
    (task.due?.time
      ? { hour: Number(task.due.time.slice(0, 2)), minute: Number(task.due.time.slice(3, 5)) }
      : undefined)
  const day = when.date ?? firstDay(when.repeat, undefined, time, clock)
  const due = moment(day, time, clock.zone, when.zone)
  const remindAt = task.remindAt ? { remindAt: moment(day, time ?? { hour: 9, minute: 0 }, clock.zone) } : {}
  return { recurrence, due, ...remindAt }
}
