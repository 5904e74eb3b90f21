import { list, memoriesOf, projectsOf, record, text } from './conversation.ts'
import { waits } from './do-end.ts'
import { sayUndone } from './do-undo-since.ts'
import type { Call, Intent, Outcome, Result, Script, World } from './intent.ts'
import { likeness } from './resolve.ts'
import { numbered, plural, quote, trouble } from './say.ts'
import { telling } from './words.ts'

type Of<K extends Intent['kind']> = Extract<Intent, { kind: K }>
const failed = (what: string, result: Result | undefined): Outcome => ({
  text: `I couldn't ${what}: ${result ? trouble(result) : 'no answer'}.`,
})

type ProjectEnd = Of<'project-archive'> | Of<'project-delete'>
type ProjectMake = { kind: 'project-create'; name: string }

export function* doProject(intent: ProjectMake | { kind: 'project-list' } | ProjectEnd): Script {
  if (intent.kind === 'project-list') {
    const [result] = yield [{ name: 'list_projects', input: {} }]
    if (!result?.ok) return failed('list your projects', result)
    const names = projectsOf(result.output).map((p) => p.name)
    return {
      text:
        names.length > 0
          ? `You have ${plural(names.length, 'project')}: ${names.join(', ')}.`
          : 'You have no projects yet.',
    }
  }
  if (intent.kind === 'project-delete') {
    const [result] = yield [{ name: 'delete_project', input: { id: intent.project.id } }]
    if (result?.ok) return { text: `Deleted the project ${quote(intent.project.name)}.`, wrote: true }
    if (waits(result))
      return { text: `Deleting the project ${quote(intent.project.name)} cannot be undone; its tasks stay. Shall I?` }
    return result?.code === 'declined'
      ? { text: 'Okay, nothing was deleted.' }
      : failed(`delete ${quote(intent.project.name)}`, result)
  }
  if (intent.kind === 'project-archive') {
    const [result] = yield [{ name: 'archive_project', input: { id: intent.project.id } }]
    return result?.ok
      ? { text: `Archived the project ${quote(intent.project.name)}.`, wrote: true }
      : failed(`archive ${quote(intent.project.name)}`, result)
  }
  const [result] = yield [{ name: 'create_project', input: { name: intent.name } }]
  if (!result?.ok) return failed(`create ${quote(intent.name)}`, result)
  const { id, name } = record(result.output)
  return {
    text: `Created the project ${quote(text(name) || intent.name)}.`,
    wrote: true,
    ...(text(id) ? { projectId: text(id) } : {}),
  }
}

export function* doRemember(intent: Of<'remember'>): Script {
  const [result] = yield [{ name: 'remember', input: { text: intent.text, kind: intent.about } }]
  if (!result?.ok) return failed('remember that', result)
  return { text: `I'll remember: ${text(record(result.output).text) || intent.text}.`, wrote: true }
}

export function* doRecall(intent: Of<'recall'>): Script {
  const [result] = yield [{ name: 'search_memories', input: intent.text ? { text: intent.text } : {} }]
  if (!result?.ok) return failed('look into my memory', result)
  let known = memoriesOf(result.output)
  if (known.length === 0 && intent.text) {
    const [all] = yield [{ name: 'search_memories', input: {} }]
    known = all?.ok ? memoriesOf(all.output).filter((m) => likeness(intent.text ?? '', m.text) >= 0.5) : []
  }
  if (known.length === 0)
    return {
      text: intent.text
        ? `I don't remember anything about ${quote(intent.text)}.`
        : "I don't know anything about you yet. Tell me, say, “remember that I never take calls before ten”.",
    }
  const best = intent.text ? known.filter((m) => likeness(intent.text ?? '', m.text) > 0) : known
  const shown = (best.length > 0 ? best : known).map((m) => m.text)
  return { text: shown.length === 1 ? `I remember: ${shown[0]}.` : `I remember:\n${numbered(shown)}` }
}

export function* doForget(intent: Of<'forget'>): Script {
  const query =
    telling(intent.text)
      .filter((w) => !/^(?:like|likes|love|hate|prefer|said|told|remember|know|called|named|every|everything)$/.test(w))
      .join(' ') || intent.text
  const [result] = yield [{ name: 'search_memories', input: { text: query } }]
  if (!result?.ok) return failed('look into my memory', result)
  let known = memoriesOf(result.output)
  if (known.length === 0) {
    const [all] = yield [{ name: 'search_memories', input: {} }]
    known = all?.ok ? memoriesOf(all.output) : []
  }
  const scored = known.map((m) => ({ m, score: likeness(query, m.text) })).filter((s) => s.score >= 0.5)
  const top = Math.max(0, ...scored.map((s) => s.score))
  const chosen = scored.filter((s) => s.score >= top - 0.05).map((s) => s.m)
  if (chosen.length === 0) return { text: `I remember nothing about ${quote(query)}, so there is nothing to forget.` }
  const results = yield chosen.map((m) => ({ name: 'forget', input: { id: m.id } }))
  const gone = chosen.filter((_, i) => results[i]?.ok)
  const bad = results.find((r) => !r.ok)
  if (bad && !bad.ok && bad.code === 'declined') return { text: 'Okay, I kept it; nothing was forgotten.' }
  if (waits(bad))
    return { text: `I need your yes before I forget ${chosen.map((m) => quote(m.text)).join(', ')}. Shall I?` }
  const sorry = bad ? ` I couldn't forget everything: ${trouble(bad)}.` : ''
  return {
    text: `${gone.length > 0 ? `Forgotten: ${gone.map((m) => quote(m.text)).join(', ')}.` : ''}${sorry}`.trim(),
    wrote: gone.length > 0,
  }
}

export function* doPrefs(intent: Of<'prefs'>): Script {
  const [result] = yield [{ name: 'set_preferences', input: intent.patch }]
  return result?.ok ? { text: `${intent.saying}.`, wrote: true } : failed('change that setting', result)
}

const LABELS: Record<string, string> = {
  timeZone: 'time zone',
  locale: 'language',
  displayName: 'name',
  quietHours: 'quiet hours',
  workingHours: 'working hours',
  voice: 'voice',
}
const DAYS = ['', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

function shown(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  const hours = record(value)
  if (!text(hours.from)) return 'not set'
  const days = list(hours.days).map((d) => DAYS[Number(d)] ?? '')
  return `${text(hours.from)} to ${text(hours.to)}${days.length > 0 ? ` (${days.join(', ')})` : ''}`
}

export function* doShowPrefs(intent: Of<'prefs-show'>, world: World): Script {
  const [result] = yield [{ name: 'get_preferences', input: {} }]
  if (!result?.ok) return failed('read your settings', result)
  const prefs: Record<string, unknown> = {
    timeZone: world.clock.zone,
    displayName: world.displayName,
    ...record(result.output),
  }
  const keys = intent.about ? [intent.about] : Object.keys(LABELS)
  const rows = keys.map((key) => `${LABELS[key] ?? key}: ${shown(prefs[key])}`)
  return { text: intent.about ? `Your ${rows[0]}.` : `Your settings:\n${rows.join('\n')}` }
}

export function* doTime(intent: Of<'time'>): Script {
  const places = intent.places.length > 0 ? intent.places : [undefined]
  const results = yield places.map((p) => ({ name: 'get_time', input: p ? { timeZone: p.zone } : {} }))
  const lines = results.map((result, i) => {
    if (!result.ok) return `I couldn't read the clock: ${trouble(result)}.`
    const { time, weekday, date } = record(result.output)
    const place = places[i]?.name
    const day = [text(weekday), text(date)].filter(Boolean).join(' ')
    return `It's ${text(time).slice(0, 5)}${place ? ` in ${place}` : ''}, ${day}.`
  })
  return { text: lines.join('\n') }
}

export function* doUndo(): Script {
  const [result] = yield [{ name: 'undo_last', input: {} }]
  if (!result?.ok) return { text: `I couldn't undo that: ${result ? trouble(result) : 'no answer'}.` }
  const undone = list(record(result.output).undone).map(text).filter(Boolean)
  return {
    text:
      undone.length > 0
        ? `Undone: ${undone.map((s) => s.replace(/[.\s]+$/, '')).join('; ')}.`
        : 'There was nothing to undo.',
  }
}

export function* doInsights(): Script {
  const [result] = yield [{ name: 'task_insights', input: {} }]
  if (!result?.ok) return failed('read your statistics', result)
  const o = record(result.output)
  const number = (value: unknown) => (typeof value === 'number' ? value : undefined)
  const weeks = list(o.completedPerWeek).map(record)
  const last = number(weeks.at(-1)?.count)
  const hours = list(o.completedPerHour).map((n) => number(n) ?? 0)
  const busiest = number(o.busiestHour) ?? (Math.max(0, ...hours) > 0 ? hours.indexOf(Math.max(...hours)) : undefined)
  const parts = [
    number(o.overdue) === undefined ? '' : `${number(o.overdue)} overdue`,
    number(o.dueToday) === undefined ? '' : `${number(o.dueToday)} due today`,
    last === undefined ? '' : `${last} finished this week`,
    number(o.streakDays) ? `a streak of ${plural(number(o.streakDays) ?? 0, 'day')}` : '',
    busiest === undefined ? '' : `you finish most around ${String(busiest).padStart(2, '0')}:00`,
  ].filter(Boolean)
  return {
    text: parts.length > 0 ? `${parts.join(', ')}.`.replace(/^./, (c) => c.toUpperCase()) : 'There are no figures yet.',
  }
}

/** The calls the person has now said yes to, exactly as they were asked about. */
export function* doAgain(intent: Of<'repeat-calls'>): Script {
  const results = yield intent.calls.map(({ name, input }) => ({ name, input }))
  if (results.every(waits))
    return { text: 'I need you to confirm that with a tap, not by a word. Nothing is done yet.' }
  const waiting = intent.calls.filter((_, i) => waits(results[i]))
  const made = intent.calls.filter((call) => !waiting.includes(call))
  const said = sayMade(
    made,
    results.filter((result) => !waits(result)),
  )
  if (waiting.length === 0) return said
  const names = waiting.map(({ name, title }) => (title ? quote(title) : name.replaceAll('_', ' '))).join(', ')
  return { ...said, text: `${said.text} Not done yet: ${names}. I need you to confirm that with a tap, not by a word.` }
}

function sayMade(calls: Call[], results: Result[]): Outcome {
  if (calls.every(({ name }) => name === 'undo_effects')) return sayUndone(results)
  const good = results.flatMap((r) => (r.ok ? [text(record(r.output).title) || text(record(r.output).name)] : []))
  const bad = results.find((r) => !r.ok)
  const named = good.filter(Boolean).map(quote).join(', ')
  const done = calls.every((c) => c.name.startsWith('delete_'))
    ? `Deleted ${named || 'it'}.`
    : `Done${named ? `: ${named}` : ''}.`
  const sorry = !bad
    ? ''
    : !bad.ok && bad.code === 'declined'
      ? 'Okay, nothing was deleted.'
      : `I couldn't do that: ${trouble(bad)}.`
  return { text: [good.length > 0 ? done : '', sorry].filter(Boolean).join(' '), wrote: good.length > 0 }
}
