import { type Clock, minutesOf, wallOf } from './clock.ts'
import { tasksOf } from './conversation.ts'
import type { Call, Filter, Result, State, Target, Task, World } from './intent.ts'
import { PARTS } from './lexicon.ts'
import { byDue, isOpen, line, numbered, quote, trouble } from './say.ts'
import { editDistance } from './spelling.ts'
import type { When } from './when.ts'
import { stem, telling, tokens } from './words.ts'

/** Either the tasks meant, or what to tell the person instead. */
export type Resolved =
  | { ok: true; tasks: Task[]; missed: string[] }
  | { ok: false; text: string; which?: Task[]; missing?: boolean }

/** `sure`: only a task that is named whole will do, because the sentence could mean a new one. */
export type Finding = 'open' | 'closed' | 'any' | 'sure'
type Search = Generator<Call[], Resolved, Result[]>

const LOOK_LIMIT = 100
/** Half the words of a name are a hint, not a name: below this it is asked about first. */
const CLOSE = 0.6
const call = (filter: Filter): Call => ({ name: 'find_tasks', input: filter })

/** Verbs tell tasks apart less than what they are about. */
const WEAK = new Set(
  (
    'call email mail text buy get pay send do make meet finish write book go see check review read ' +
    'old new big first last take pick put set work ' +
    'hand turn appointment appoint job talk chat speak meeting visit session email message event trip submit order clean prepare schedule plan update sign fix ring phone contact'
  ).split(' '),
)

/** How well a title answers to a name: 0 to 1 by words, a little more for saying nothing else. */
export function likeness(name: string, title: string): number {
  const wanted = telling(name).map(stem)
  const have = tokens(title).map(stem)
  if (wanted.length === 0 || have.length === 0) return 0
  if (tokens(name).join(' ') === tokens(title).join(' ')) return 2
  const weigh = (w: string) => (WEAK.has(w) && wanted.length > 1 ? 0.3 : 1)
  const total = wanted.reduce((sum, w) => sum + weigh(w), 0)
  const share = wanted.reduce((sum, w) => sum + weigh(w) * Math.max(...have.map((h) => alike(w, h))), 0) / total
  const extra = telling(title).length - wanted.length
  return share === 0 ? 0 : share + (extra <= 0 && share > 0.85 ? 0.1 : 0)
}

function alike(a: string, b: string): number {
  if (a === b) return 1
  if (a.length >= 4 && (b.startsWith(a) || (b.length >= 4 && a.startsWith(b)))) return 0.9
  if (a.length >= 5 && b.length >= 5 && editDistance(a, b) <= (a.length >= 8 ? 2 : 1)) return 0.8
  return 0
}

/** One word to search by: the store matches words, so the rarest-looking one finds most. */
function searchText(name: string): string {
  const words = telling(name)
  const strong = words.filter((w) => !WEAK.has(stem(w)))
  const usable = strong.length > 0 ? strong : words
  return (usable.length === 0 ? name : usable.slice(0, 6).map(singular).join(' ')).slice(0, 100)
}

/** A singular is found inside its plural, not the other way round. */
const singular = (said: string) => {
  const word = said.replace(/'s?$/, '')
  return word.length > 4 && /[^sui]s$/.test(word) && !word.endsWith('ies')
    ? word.replace(/(?<=ch|sh|x)es$|s$/, '')
    : word
}

export function fits(task: Task, when: When | undefined, clock: Clock): boolean {
  if (!when || !task.due) return false
  const due = wallOf(task.due, clock.zone)
  const day = when.dateSaid && when.date ? when.date.equals(due.date) : true
  if (when.raw && when.time)
    return day && due.time !== undefined && minutesOf(due.time) % 720 === minutesOf(when.time) % 720
  const part = when.part ? PARTS[when.part] : undefined
  return day && (!part || (due.time !== undefined && due.time.hour >= part.from && due.time.hour < part.to))
}

type Ranked = { best: Task[]; score: number }

function rank(name: string, tasks: Task[], when: When | undefined, world: World, least = 0.45): Ranked {
  const scored = tasks.map((task) => ({ task, score: likeness(name, task.title) })).filter((s) => s.score >= least)
  const top = Math.max(0, ...scored.map((s) => s.score))
  let best = scored.filter((s) => s.score >= top - 0.05).map((s) => s.task)
  if (best.length > 1) {
    const timely = best.filter((task) => fits(task, when, world.clock))
    if (timely.length > 0) best = timely
  }
  if (best.length > 1 && world.state.wrote) {
    const spoken = best.filter((task) => world.state.focus.some((f) => f.id === task.id))
    if (spoken.length === 1) best = spoken
  }
  return { best, score: top }
}

const right = (finding: Finding) => (task: Task) =>
  finding === 'open' || finding === 'sure' ? isOpen(task) : finding === 'closed' ? !isOpen(task) : true

function scope(finding: Finding): Filter {
  if (finding === 'open' || finding === 'sure') return { open: true }
  return finding === 'closed' ? { status: ['completed', 'cancelled'] } : {}
}

function tasksIn(results: Result[]): Task[] {
  const all = results.flatMap((r) => (r.ok ? tasksOf(r.output) : []))
  return [...new Map(all.map((t) => [t.id, t])).values()]
}

function* byName(names: string[], when: When | undefined, finding: Finding, world: World): Search {
  const least = finding === 'sure' ? 0.85 : 0.45
  const first = yield names.map((name) => call({ text: searchText(name), ...scope(finding), limit: 20 }))
  const failed = first.find((r) => !r.ok)
  if (failed) return { ok: false, text: `I couldn't look up your tasks: ${trouble(failed)}.` }
  const found = new Map(
    names.map((name, i) => [
      name,
      rank(name, tasksIn(first.slice(i, i + 1)).filter(right(finding)), when, world, least),
    ]),
  )
  const weak = names.filter((name) => (found.get(name)?.best.length ?? 0) === 0)
  if (weak.length > 0 && (finding !== 'sure' || weak.some((name) => telling(name).length > 1))) {
    const wider = yield [call({ ...scope(finding), limit: LOOK_LIMIT })]
    const all = tasksIn(wider).filter(right(finding))
    for (const name of weak) found.set(name, rank(name, all, when, world, least))
  }
  const chosen: Task[] = []
  const missed: string[] = []
  for (const [name, { best, score }] of found) {
    if (best[0] && best.length === 1 && score < CLOSE && names.length === 1) {
      return { ok: false, text: `Do you mean ${quote(best[0].title)}?`, which: best }
    }
    if (best.length > 1)
      return {
        ok: false,
        text: `Which one do you mean?\n${numbered(byDue(best, world.clock).map((t) => line(t, world.clock)))}`,
        which: byDue(best, world.clock),
      }
    if (best[0] && score >= CLOSE) chosen.push(best[0])
    else missed.push(name)
  }
  if (chosen.length === 0) return { ok: false, text: notFound(missed, finding), missing: true }
  return { ok: true, tasks: [...new Map(chosen.map((t) => [t.id, t])).values()], missed }
}

function notFound(names: string[], finding: Finding): string {
  const kind = finding === 'open' || finding === 'sure' ? 'open task' : finding === 'closed' ? 'finished task' : 'task'
  return `I couldn't find an ${kind} matching ${names.map(quote).join(' or ')}, so nothing was changed.`
    .replace('an finished', 'a finished')
    .replace('an task', 'a task')
}

/** "my 3pm": no name, only a time. */
function* byTime(when: When, finding: Finding, world: World): Search {
  const day = when.date ?? world.clock.today
  const [result] = yield [
    call({
      ...scope(finding),
      dueAfter: day.toString(),
      dueBefore: day.add({ days: 1 }).toString(),
      limit: LOOK_LIMIT,
    }),
  ]
  const hits = tasksIn(result ? [result] : []).filter((task) => fits(task, when, world.clock))
  if (hits.length === 1) return { ok: true, tasks: hits, missed: [] }
  if (hits.length === 0) return { ok: false, text: 'I found no task at that time, so nothing was changed.' }
  const which = byDue(hits, world.clock)
  return { ok: false, text: `Which one do you mean?\n${numbered(which.map((t) => line(t, world.clock)))}`, which }
}

function* bySet(filter: Filter, name: string): Search {
  const [result] = yield [call(filter)]
  if (!result?.ok)
    return { ok: false, text: `I couldn't look up your tasks: ${result ? trouble(result) : 'no answer'}.` }
  const tasks = tasksIn([result])
  return tasks.length > 0
    ? { ok: true, tasks, missed: [] }
    : { ok: false, text: `I found nothing for ${quote(name)}, so nothing was changed.` }
}

/** What "it" is: what was last written, or the one task last shown. */
function inFocus(state: State, many: boolean, clock: Clock): Resolved {
  const { focus, focusIs } = state
  if (focus.length === 0)
    return { ok: false, text: "I'm not sure which task you mean. Tell me its name, or ask “what's on my plate?”" }
  if (many || focus.length === 1) return { ok: true, tasks: focus, missed: [] }
  const last = focus.at(-1)
  if (focusIs === 'written' && last) return { ok: true, tasks: [last], missed: [] }
  return { ok: false, text: `Which one do you mean?\n${numbered(focus.map((t) => line(t, clock)))}`, which: focus }
}

function byPlace(places: number[], world: World): Resolved {
  const { ask, focus, list } = world.state
  const pool = ask?.kind === 'which' ? ask.tasks : focus.length > 1 ? focus : (list ?? focus)
  const tasks = places.flatMap((n) => pool.at(n < 0 ? n : n - 1) ?? [])
  if (tasks.length === places.length) return { ok: true, tasks, missed: [] }
  return {
    ok: false,
    text:
      pool.length === 0
        ? "I'm not sure which task you mean. Tell me its name."
        : `I only listed ${pool.length}. Which one do you mean?`,
  }
}

export function* resolve(target: Target, finding: Finding, world: World): Search {
  if (target.kind === 'focus') return inFocus(world.state, target.many, world.clock)
  if (target.kind === 'nth') return byPlace(target.places, world)
  if (target.kind === 'set') return yield* bySet(target.filter, target.name)
  if (target.names.length > 0) return yield* byName(target.names, target.when, finding, world)
  return target.when ? yield* byTime(target.when, finding, world) : inFocus(world.state, false, world.clock)
}
