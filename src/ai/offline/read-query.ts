import { findProject, priorityOf } from './attributes.ts'
import type { Clock } from './clock.ts'
import type { Filter, Intent, View, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { about, due, type Find, find, projectIn } from './query-words.ts'
import { type Range, readRange } from './ranges.ts'
import { DONE_WORDS, finished, INSIGHTS, named } from './read-named.ts'
import { phrase } from './targets.ts'
import { QUESTION } from './verbs.ts'
import { readWhen } from './when.ts'
import { sentence } from './words.ts'

const NEXT = re(
  raw`\b(?:what(?:'s| is) next|what (?:should|do|can|shall) i (?:do|work on|start|focus|`,
  raw`tackle)(?: on| with)?(?: now| next| first| today)?$|next task|top (?:\d|three|five|`,
  raw`ten) (?:things|tasks|priorities|items)|what now|where (?:do|should) i start|(?:most|`,
  raw`more) important|(?:top|highest|biggest|main|number one|first) priority|most urgent|`,
  raw`(?:what(?:'s| is)|anything) important|focus on|priorities|up next|next up|`,
  raw`what should i be doing)\b`,
)
const FREE = re(
  raw`\b(?:am i (?:free|busy|available)|do i have (?:time|room|space)|is my (?:day|week|morning|`,
  raw`afternoon|schedule|calendar) (?:free|busy|full|clear)|how busy)\b`,
)
const AGENDA = re(
  raw`\b(?:on my plate|my (?:tasks?|to-?dos?|todo list|list|day|week|agenda|schedule|reminders|`,
  raw`stuff|plate|calendar|month|weekend|morning|afternoon|evening|workload)|(?:all|open|pending|`,
  raw`outstanding|remaining|the|any|upcoming|these|current) (?:the )?(?:open |pending |`,
  raw`outstanding )?(?:tasks?|to-?dos?|todos|reminders|items)|do i have(?: to do)?|am i doing|`,
  raw`deadlines?|plans?|i have(?: to do)?|have i got|i've got|i got|need(?:s)? (?:to be done|doing|`,
  raw`my attention)|due|coming up|happening|going on|planned|scheduled|agenda|schedule|left|to do|`,
  raw`upcoming|pending|outstanding|anything|everything|got (?:on|planned)|what's on|what is on|`,
  raw`whats up|what's up|lined up|in store|to-?do list|todos|tasks|brief(?:ing)?|overview|rundown|`,
  raw`summary|looks? like|look like|waiting|forget(?:ting)?|open)\b`,
)

const TOPIC = re(
  raw`^(?:(?:my|all|the|all my|all the|open|pending|outstanding|overdue|urgent|high[ -]priority|`,
  raw`low[ -]priority|important|completed|finished|upcoming|today's|tomorrow's|this week's|`,
  raw`next week's|\w+day's|full) )*(?:tasks?|to-?dos?|todos|to-do list|todo list|(?:agenda|`,
  raw`schedule)(?= (?:for|on|today|tomorrow|this|next)|\??$)|stats|statistics|insights|streak|`,
  raw`overdue|reminders|plate|day|week|brief(?:ing)?|rundown|summary|overview|priorities|workload|`,
  raw`stuff|progress)\b(?!\s*:)|^(?:everything|anything|all) (?:due|tagged|labelled|labeled|in|`,
  raw`for|on|open|left|about|with|that)\b|^(?:the |my )?most urgent (?:task|thing|one)s?\b|^(?:my )?top (?:\d|three|five|ten) (?:things|tasks|`,
  raw`priorities|items)\b|^(?:list|tasks?|show|todos?|show all|list all|show me)\??$|^(?:brief me|`,
  raw`plan my (?:day|week|morning|evening)|daily brief|morning brief|overdue|how)\b`,
)

/** "my grocery list", "groceries?". */
function listNamed(c: string, world: World): boolean {
  const name = c.replace(/^(?:the |my |our |read (?:me )?|open )+|(?: list| project| tasks| items)?\??$/gi, '')
  return findProject(name, world.projects) !== undefined
}

/** "today?", "this week": a day alone asks for its tasks. */
function bareRange(c: string, clock: Clock): boolean {
  const range = /^[\w' ]{2,30}\??$/.test(c) ? readRange(c, clock) : undefined
  return range !== undefined && range.rest.replace(/[?]/g, '') === ''
}

/** Questions about one's tasks. */
export function readQuery(clause: string, world: World): Intent | undefined {
  const { clock } = world
  const c = clause.replace(
    re(
      raw`^(?:remind me|let me know|i want to know|i'd like to know|do you know|can i see|let me see|`,
      raw`i want to see|i need to (?:see|know)|please tell me|tell me|so) (?=\w)`,
    ),
    '',
  )
  const asks = QUESTION.test(c) || /\?\s*$/.test(c) || TOPIC.test(c) || bareRange(c, clock) || listNamed(c, world)
  const cleared =
    /^(?:clear|empty|free up)\b.*\b(?:day|plate|schedule|calendar|morning|afternoon|evening|today|tomorrow|\w+day|overdue)\b/i.test(
      c,
    )
  if (cleared) return /overdue/i.test(c) ? find({ overdue: true }, 'agenda', 'overdue') : clearing(c, clock)
  if (!asks) return undefined
  if (/^(?:list|show|tasks?|todos?|(?:show|list) (?:all|me|them|everything))\??$/i.test(c))
    return find({ open: true, limit: 100 }, 'agenda', 'open')
  if (INSIGHTS.test(c) && !DONE_WORDS.test(c)) return { kind: 'insights' }
  const done = finished(c, clock, world)
  if (done) return done
  const count = /\bhow (?:many|much)\b/i.test(c)
  const view: View = count ? 'count' : 'agenda'
  if (
    re(
      raw`\b(?:overdue|late|past due|behind(?: on)?|missed|slipping|slipped|forgotten|forgetting|`,
      raw`forget to do|procrastinat\w+|putting off|put off|neglect\w+|avoiding)\b`,
    ).test(c) &&
    !/\b(?:am i late for|later)\b/i.test(c)
  )
    return find({ overdue: true }, view, 'overdue')
  const range = readRange(c, clock)
  const project = projectIn(c, world)
  if (project)
    return find({ projectId: project.id, open: true, ...(range ? due(range) : {}) }, view, `in ${project.name}`)
  const label = /#([\w-]+)|\b(?:tagged|labelled|labeled|with (?:the )?(?:tag|label))(?: with| as)? #?([\w-]+)/i.exec(c)
  if (label)
    return find(
      { label: (label[1] ?? label[2] ?? '').toLowerCase(), open: true },
      view,
      `tagged ${label[1] ?? label[2]}`,
    )
  if (/\b(?:working on|in progress|started)\b/i.test(c)) return find({ status: ['in_progress'] }, view, 'in progress')
  const level = re(
    raw`\b(?:urgent|high[ -]priority|low[ -]priority|medium[ -]priority|important (?:tasks?|stuff|`,
    raw`things?)|critical)\b`,
  ).exec(c)
  const levelOf = level ? (/important/i.test(level[0]) ? 'high' : priorityOf(level[0])) : undefined
  if (levelOf && !/most (?:important|urgent)/i.test(c))
    return find({ priority: levelOf, open: true, ...(range ? due(range) : {}) }, view, `${levelOf} priority`)
  if (FREE.test(c))
    return find({ open: true, ...(range ? due(range) : dayFilter(clock)) }, 'free', range?.name ?? 'today')
  if (NEXT.test(c))
    return find(
      {
        open: true,
        ...(/most urgent/i.test(c) ? { sort: 'priority' } : {}),
        ...(range?.before ? { dueBefore: range.before } : {}),
      },
      'next',
      range?.name ?? '',
    )
  const one = named(c, world)
  if (one && !(range && AGENDA.test(c) && about(range.rest) === '')) return one
  if (range && (AGENDA.test(c) || about(range.rest) === '')) return agenda(range, view, c, clock)
  if (range?.rest && /^(?:what|which|show|list|do i|any)/i.test(c) && about(range.rest))
    return find(
      { text: about(range.rest), open: true, ...due(range) },
      view,
      `about “${about(range.rest)}”, ${range.name}`,
    )
  if (AGENDA.test(c)) {
    const listName = /\b(?:in|on|from|of) (?:my |the )?([\w ]{2,30}?) (?:list|project)\b/i.exec(c)?.[1]
    if (listName && !/^(?:my|the|to-?do|todo|task)$/i.test(listName) && !findProject(listName, world.projects))
      return missing(listName, world)
    if (/\b(?:my day|brief|rundown|my morning|my agenda|my schedule)\b/i.test(c))
      return find({ open: true, ...dayFilter(clock) }, view, 'today', { late: true, day: clock.today.toString() })
    return find({ open: true, limit: 100 }, view, 'open')
  }
  return undefined
}

/** "clear my plate for thursday": first, what is on it. */
function clearing(c: string, clock: Clock): Find {
  const range = readRange(c, clock)
  return find({ open: true, ...(range ? due(range) : dayFilter(clock)) }, 'agenda', range?.name ?? 'today')
}

const dayFilter = (clock: Clock): Filter => ({
  dueAfter: clock.today.toString(),
  dueBefore: clock.today.add({ days: 1 }).toString(),
})

function agenda(range: Range, view: View, c: string, clock: Clock): Find {
  const today = range.day?.equals(clock.today) ?? false
  const late = today && view === 'agenda' && !/\bdue\b/i.test(c)
  return find({ open: true, ...due(range) }, view, range.name.replace(/^for /, ''), {
    ...(late ? { late } : {}),
    ...(range.day ? { day: range.day.toString() } : {}),
  })
}

function missing(name: string, world: World): Intent {
  const known = world.projects.map((p) => p.name).join(', ')
  const have = known ? `You have: ${known}.` : 'You have no lists yet.'
  return { kind: 'say', text: `I don't see a list called “${sentence(phrase(name))}”. ${have}` }
}

const completed = (range: Range): Filter => ({
  ...(range.after ? { completedAfter: range.after } : {}),
  ...(range.before ? { completedBefore: range.before } : {}),
})

function finishedFilter({ completedAfter: _a, completedBefore: _b, ...rest }: Filter): Filter {
  return rest
}

/** A whole question owes nothing to the one before it. */
const FRESH = /^(?:anything|what(?! about\b)|what's|do i|is there|show me|list)\b/i

/** "and tomorrow?", "what about friday": the last question again, for other days. */
export function readAgain(clause: string, world: World): Intent | undefined {
  const last = world.state.query
  if (!last || world.state.wrote || FRESH.test(clause)) return undefined
  const m = /^(?:(?:and|what about|how about|ok and|also|then)\s+)*(.+?)\s*\??$/i.exec(clause.trim())
  const looksBack = last.filter.completedAfter !== undefined
  const range = m?.[1] ? readRange(m[1], world.clock, looksBack ? { lean: 'past' } : {}) : undefined
  if (!range || about(range.rest) !== '') return undefined
  if (looksBack) return find({ ...finishedFilter(last.filter), ...completed(range) }, last.view, range.name)
  const { dueAfter: _a, dueBefore: _b, overdue: _o, ...rest } = last.filter
  return find(
    { ...rest, open: true, ...due(range) },
    last.view === 'about' ? 'agenda' : last.view,
    range.name,
    range.day ? { day: range.day.toString() } : {},
  )
}

/** A question about a day or an hour that nothing else understood. */
export function readTimedQuestion(c: string, { clock }: World): Intent | undefined {
  const { when } = readWhen(c, clock, { ranges: true })
  const day = when?.date ?? (when?.time ? clock.today : undefined)
  if (!day || !(QUESTION.test(c) || /\?\s*$/.test(c))) return undefined
  const range = readRange(c, clock)
  if (range?.after || range?.before) return find({ open: true, ...due(range) }, 'agenda', range.name)
  return find({ open: true, ...dayFilter(clock) }, 'agenda', 'today', { day: day.toString() })
}
