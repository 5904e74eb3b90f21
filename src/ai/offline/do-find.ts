import { type Clock, hm, wallOf } from './clock.ts'
import { list, memoriesOf, record, tasksOf, text } from './conversation.ts'
import type { Call, Intent, Outcome, Result, Script, Task, World } from './intent.ts'
import { PARTS } from './lexicon.ts'
import { likeness } from './resolve.ts'
import { byDue, dateText, dayName, isLate, isOpen, line, numbered, plural, quote, trouble } from './say.ts'

type Find = Extract<Intent, { kind: 'find' }>

export function* doFind(find: Find, world: World): Script {
  const calls: Call[] = [{ name: 'find_tasks', input: { ...find.filter } }]
  if (find.late) calls.push({ name: 'find_tasks', input: { overdue: true, sort: 'due', limit: 50 } })
  if (find.memories && world.can('search_memories'))
    calls.push({ name: 'search_memories', input: { text: find.filter.text } })
  let results = yield calls
  const [first] = results
  if (!first?.ok) return { text: `I couldn't look up your tasks: ${first ? trouble(first) : 'no answer'}.` }
  if (find.filter.text && tasksOf(first.output).length === 0) {
    const { text: named, ...wider } = find.filter
    const [all] = yield [{ name: 'find_tasks', input: { ...wider, limit: 100 } }]
    const found = all?.ok ? list(record(all.output).items) : []
    const close = found.filter((i) => likeness(named ?? '', text(record(i).title)) >= 0.6)
    results = [{ ok: true, output: { items: close } }, ...results.slice(1)]
    if (close.length === 0 && found.length > 0 && (wider.dueAfter || wider.dueBefore))
      return instead(find, named ?? '', tasksOf({ items: found }), world)
  }
  return answer(find, results, world)
}

/** A word that names nothing, in a question about days: the days are answered, and that is said. */
function instead(_find: Find, name: string, tasks: Task[], { clock }: World): Outcome {
  const shown = byDue(tasks, clock)
  return {
    text: `I found nothing about ${quote(name)}. Due then:\n${numbered(shown.map((t) => line(t, clock)))}`,
    listed: shown,
  }
}

function answer(find: Find, results: Result[], world: World): Outcome {
  const { clock } = world
  const [first, second] = results
  const more = record(first?.ok ? first.output : {}).nextCursor
  const tasks = byDue(first?.ok ? tasksOf(first.output) : [], clock)
  const late =
    find.late && second?.ok ? byDue(tasksOf(second.output), clock).filter((t) => !tasks.some((x) => x.id === t.id)) : []
  const memories = find.memories ? results.slice(1).flatMap((r) => (r.ok ? memoriesOf(r.output) : [])) : []
  if (find.view === 'about')
    return about(
      find,
      tasks,
      memories.map((m) => m.text),
      clock,
    )
  if (find.view === 'count') return { text: count(find, tasks, typeof more === 'string'), listed: tasks }
  if (find.view === 'next') return next(tasks, clock, find.filter.sort === 'priority')
  if (find.view === 'free') return free(find, tasks, clock)
  if (find.view === 'done') return done(find, tasks, clock)
  const shown = inPart(tasks, find.title, clock)
  const all = [...late, ...shown]
  if (all.length === 0) return { text: nothing(find), listed: [] }
  const head =
    late.length > 0 ? `${heading(find, shown.length)}, and ${late.length} overdue:` : `${heading(find, shown.length)}:`
  return { text: `${head}\n${numbered(all.map((t) => line(t, clock)))}`, listed: all }
}

/** "this evening" shows what has that hour, and what has none. */
function inPart(tasks: Task[], title: string, clock: Clock): Task[] {
  const name = /(?:this |\b)(morning|afternoon|evening|tonight)\b/.exec(title)?.[1]
  const part = name ? PARTS[name === 'tonight' ? 'night' : name] : undefined
  if (!part) return tasks
  return tasks.filter((t) => {
    const time = t.due ? wallOf(t.due, clock.zone).time : undefined
    return !time || (time.hour >= part.from && time.hour < part.to)
  })
}

function heading(find: Find, n: number): string {
  const { title, filter } = find
  if (filter.overdue) return `${plural(n, 'task')} overdue`
  if (title === 'open') return `${plural(n, 'open task')}`
  if (dated(filter)) return `${n} due ${title}`
  if (filter.priority && title.endsWith(' priority')) return plural(n, `${levelled(title)} task`)
  return `${plural(n, 'task')} ${title}`
}

const levelled = (title: string) => title.replace(/^urgent priority$/, 'urgent')

const dated = (f: Find['filter']) =>
  Boolean(f.dueAfter || f.dueBefore) && !f.text && !f.priority && !f.projectId && !f.label

function nothing(find: Find): string {
  const { title, filter } = find
  if (filter.overdue) return 'Nothing is overdue.'
  if (title === 'open') return 'You have no open tasks.'
  if (filter.text) return `I found no open task ${title}.`
  if (filter.priority)
    return `There are no ${title.endsWith(' priority') ? `${levelled(title)} tasks` : `${levelled(`${filter.priority} priority`)} tasks ${title}`}.`
  if (dated(filter)) return `Nothing is due ${title}.`
  return `There are no tasks ${title}.`
}

function count(find: Find, tasks: Task[], more: boolean): string {
  const n = `${more ? 'at least ' : ''}${tasks.length}`
  if (find.filter.completedAfter) return `You finished ${n} ${tasks.length === 1 ? 'task' : 'tasks'} ${find.title}.`
  if (find.title === 'open') return `You have ${n} open ${tasks.length === 1 ? 'task' : 'tasks'}.`
  if (find.filter.overdue) return `${n} overdue.`
  return find.filter.dueAfter || find.filter.dueBefore
    ? `${n} due ${find.title}.`
    : `${n} ${tasks.length === 1 ? 'task' : 'tasks'} ${find.title}.`
}

const WEIGHT: Record<string, number> = { urgent: 0, high: 1, medium: 2, low: 3 }

/** Late first, then what is urgent, then what is soonest. */
function next(tasks: Task[], clock: Clock, weightFirst: boolean): Outcome {
  const [top, ...others] = tasks
    .map((task, i) => ({
      task,
      i,
      late: isLate(task, clock) ? 0 : 1,
      weight: WEIGHT[task.priority] ?? 2,
      undated: task.due ? 0 : 1,
    }))
    .sort(
      (a, b) =>
        (weightFirst ? a.weight - b.weight : 0) ||
        a.late - b.late ||
        a.weight - b.weight ||
        a.undated - b.undated ||
        a.i - b.i,
    )
    .map((x) => x.task)
  if (!top) return { text: 'You have no open tasks: nothing is waiting.', listed: [] }
  const then = others.slice(0, 2)
  const tail = then.length > 0 ? `\nAfter that: ${then.map((t) => line(t, clock)).join('; ')}.` : ''
  return { text: `Next: ${line(top, clock)}.${tail}`, listed: [top, ...then] }
}

function free(find: Find, tasks: Task[], clock: Clock): Outcome {
  if (tasks.length === 0) return { text: `Nothing is due ${find.title}, as far as your tasks go.`, listed: [] }
  return {
    text: `${plural(tasks.length, 'task')} ${find.title}:\n${numbered(tasks.map((t) => line(t, clock)))}`,
    listed: tasks,
  }
}

function done(find: Find, tasks: Task[], clock: Clock): Outcome {
  if (tasks.length === 0) return { text: `I see nothing finished ${find.title}.`, listed: [] }
  const lines = tasks.map((t) => {
    const at = t.completedAt ? wallOfInstant(t.completedAt, clock) : ''
    return at ? `${at} — ${t.title}` : t.title
  })
  return { text: `You finished ${plural(tasks.length, 'task')} ${find.title}:\n${numbered(lines)}`, listed: tasks }
}

function wallOfInstant(iso: string, clock: Clock): string {
  const ms = Date.parse(iso)
  if (!Number.isFinite(ms)) return ''
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: clock.zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(ms)
  return dateText(wallOf({ date: parts }, clock.zone).date, clock)
}

function state(task: Task, clock: Clock): string {
  if (task.status === 'completed')
    return `${quote(task.title)} is done${task.completedAt ? ` (${wallOfInstant(task.completedAt, clock)})` : ''}.`
  if (task.status === 'cancelled') return `${quote(task.title)} was cancelled.`
  const due = task.due ? wallOf(task.due, clock.zone) : undefined
  const when = due ? `due ${dayName(due.date, clock)}${due.time ? ` at ${hm(due.time)}` : ''}` : 'without a due date'
  const how = task.status === 'in_progress' ? 'in progress' : 'still open'
  return `${quote(task.title)} is ${how}, ${when}${isLate(task, clock) ? ' (overdue)' : ''}.`
}

function about(find: Find, tasks: Task[], memories: string[], clock: Clock): Outcome {
  const name = find.filter.text ?? find.title
  const ranked = tasks
    .map((task) => ({ task, score: likeness(name, task.title) + (isOpen(task) ? 0.01 : 0) }))
    .sort((a, b) => b.score - a.score)
  const top = ranked[0]?.score ?? 0
  const hits = ranked
    .filter((r) => r.score >= top - 0.06)
    .map((r) => r.task)
    .slice(0, 5)
  const known = memories.filter((m) => likeness(name, m) >= 0.5).slice(0, 3)
  const parts = [...hits.map((t) => state(t, clock)), ...(known.length > 0 ? [`I remember: ${known.join('; ')}.`] : [])]
  return parts.length > 0
    ? { text: parts.join('\n'), listed: hits }
    : { text: `I found nothing about ${quote(name)}.`, listed: [] }
}
