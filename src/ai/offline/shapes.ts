import { bare } from './clauses.ts'
import type { Intent, World } from './intent.ts'
import { rule } from './lexicon.ts'
import { onlyWhen } from './only-when.ts'
import { raw, re } from './pattern.ts'
import { scan } from './scan.ts'
import { readTarget } from './targets.ts'
import { QUESTION } from './verbs.ts'

/** A day said once, at either end, counts for all the tasks of the sentence. */
export function shareTime(intents: Intent[], group: string[]): void {
  const drafts = intents.flatMap((i) => (i.kind === 'create' ? [i.draft] : []))
  if (drafts.length < 2 || drafts.length !== intents.length) return
  for (const d of drafts) if (drafts[0]?.remind) d.remind = true
  const [lead] = drafts
  for (const d of drafts.slice(1)) {
    const day = lead?.when?.dateSaid ? lead.when.date : undefined
    if (day && d.when?.time && !d.when.dateSaid && !d.when.repeat && !d.when.exact)
      d.when = { ...d.when, date: day, dateSaid: true }
  }
  const timed = drafts.filter((d) => d.when)
  const [only] = timed
  const all = /\b(?:all|both|each)\b/i.test(group.at(-1) ?? '')
  if (timed.length !== 1 || !only?.when || (only.when.rel !== 'on' && !all)) return
  const leads =
    only === drafts[0] &&
    re(
      raw`^(?:(?:remind me|i need to|i have to|ok|please|on|this|next|in|at|by)\s+)*(?:today|tomorrow|`,
      raw`tonight|mon|tue|wed|thu|fri|sat|sun|\d|next|this|the)\w*`,
    ).test(bare(group[0] ?? ''))
  if (leads || only === drafts.at(-1)) for (const d of drafts) d.when ??= only.when
}

/** "pick up the kids at 2:30.. i mean 5": the last word on it counts. */
export function selfCorrected(text: string, world: World): string {
  const m = re(
    raw`^(.{6,}?)[\s,.;-]+(?:no,? wait|wait,? no|i mean|i meant|or rather|make that|scratch that|`,
    raw`sorry|no)[\s,]+(.{1,30})$`,
  ).exec(text)
  const right = m?.[2] ? onlyWhen(m[2], world) : undefined
  if (!m?.[1] || !m[2] || !right) return text
  const kinds = right.dateSaid
    ? right.time
      ? ['date', 'span', 'time', 'part', 'hours']
      : ['date', 'span']
    : ['time', 'part', 'hours']
  const wrong = scan(m[1], world.clock).filter((p) => kinds.includes(p.core.kind))
  if (wrong.length === 0) return text
  let left = m[1]
  for (const p of wrong.toReversed()) left = `${left.slice(0, p.start)}${left.slice(p.end)}`
  const at = /^\d/.test(m[2]) && !right.dateSaid ? 'at ' : ''
  return `${left.replace(/\s+/g, ' ').trim()} ${at}${m[2]}`
}

/** "the tiles can wait, make it next week": the first clause names what the second one means. */
const TOPIC = re(
  raw`^(?:(?:(?:i )?need (?:more time|an extension|an extra day|a bit longer) (?:on|for|with)|`,
  raw`about|regarding|re:?|as for|concerning|speaking of|so) (?:the |my )?(?<about>.{2,60})|`,
  raw`(?:i )?(?:can't|cannot|won't|couldn't|am not able to|not able to) (?:do|make|attend|`,
  raw`make it to|get to|go to) (?:the |my )?(?<cannot>.{2,60})|(?:the |`,
  raw`my )?(?<topic>.{2,60}?) (?:can wait|(?:needs|has|have) to (?:move|change|wait)|(?:doesn't|`,
  raw`won't|isn't going to|isn't gonna|does not|will not) (?:work|happen|fit)(?: (?:today|then|`,
  raw`anymore|for me))?|is too (?:early|late|soon)|is(?:n't| not) (?:possible|`,
  raw`happening)(?: today)?|got (?:moved|delayed|changed)))$`,
)

function topicOf(clause: string): string | undefined {
  const groups = TOPIC.exec(bare(clause))?.groups
  return groups?.about ?? groups?.cannot ?? groups?.topic
}

export function topics(intents: Intent[], group: string[], world: World): Intent[] {
  return intents.flatMap((intent, i) => {
    const next = intents[i + 1]
    const name = topicOf(group[i] ?? '')
    const cleared = re(
      raw`^(?:clear|empty|free up) (?:out )?(?:my |the )?(?:day |plate |schedule |calendar )?(?:for |`,
      raw`on |from )?(.+)$`,
    ).exec(bare(group[i] ?? ''))?.[1]
    const day =
      cleared && next?.kind === 'change'
        ? readTarget(
            `everything ${/overdue|late/i.test(cleared) ? '' : 'due '}${cleared.replace(/^(?:day|plate|schedule|calendar)$/i, 'today')}`,
            world,
          )
        : undefined
    if (day?.kind === 'set' && next?.kind === 'change' && next.target.kind !== 'named') {
      next.target = day
      return []
    }
    if (name && next?.kind === 'undo') {
      const target = readTarget(name, world)
      if (target) intents[i + 1] = { kind: 'change', target, change: { status: 'cancelled' } }
      return target ? [] : [intent]
    }
    if (name && next?.kind === 'change' && next.target.kind === 'focus') {
      const target = readTarget(name, world)
      if (target) next.target = target
      return []
    }
    return [intent]
  })
}

/** "new task: rewrite intro. due friday. urgent": one task said in pieces. */
export function fold(intents: Intent[]): Intent[] {
  const out: Intent[] = []
  for (const intent of intents) {
    const last = out.at(-1)
    const focus = 'target' in intent && intent.target.kind === 'focus' && !intent.target.many
    if (focus && last?.kind === intent.kind && last.kind === 'reopen') continue
    if (!focus || intent.kind !== 'change' || last?.kind !== 'create') {
      out.push(intent)
      continue
    }
    const { when, priority, addLabel, note, estimate, near: _, ...other } = intent.change
    const { draft } = last
    const taken = (when && draft.when) || (priority && draft.priority) || (note && draft.notes) || when?.lead
    if (taken || Object.keys(other).length > 0) {
      out.push(intent)
      continue
    }
    if (when) draft.when = when
    if (priority) draft.priority = priority
    if (addLabel) draft.labels = [...(draft.labels ?? []), addLabel]
    if (note) draft.notes = note
    if (estimate) draft.estimate = estimate
  }
  return out
}

/** "clear thursday? move everything to friday": everything that was just looked at. */
export function narrow(intents: Intent[]): Intent[] {
  return intents.map((intent, i) => {
    const looked = intents.slice(0, i).some((x) => x.kind === 'find')
    const whole =
      'target' in intent && intent.target.kind === 'set' && Object.keys(intent.target.filter).join() === 'open,limit'
    return looked && whole ? { ...intent, target: { kind: 'focus', many: true } } : intent
  })
}

const DAY = '(?:today|tomorrow|{wd}|{month} \\d{1,2})'

const DAYS = rule(`(?:on )?\\b(${DAY}(?:(?: ?, ?(?:and )?| and | & )${DAY}){1,6})\\b`, 'i')

/** "water the plants tomorrow, monday and wednesday" is three tasks, not a rhythm. */
export function spread(clause: string): string[] {
  const m = DAYS.exec(clause)
  if (
    !m?.[1] ||
    !/today|tomorrow|\d/i.test(m[1]) ||
    QUESTION.test(bare(clause)) ||
    /\b(?:every|between|from|each)\b/i.test(clause)
  )
    return [clause]
  if (/^(?:move|push|reschedule|what|delete|show|list)\b/i.test(bare(clause))) return [clause]
  return m[1]
    .split(/ ?, ?(?:and )?| and | & /i)
    .map((day) => `${clause.slice(0, m.index)}on ${day}${clause.slice(m.index + m[0].length)}`)
}
