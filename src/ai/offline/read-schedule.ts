import type { Change, Intent, Length, World } from './intent.ts'
import { numberOf, rule, unitOf } from './lexicon.ts'
import { onlyWhen, splitWhen } from './only-when.ts'
import { raw, re } from './pattern.ts'
import { readRange } from './ranges.ts'
import { draftOf } from './read-create.ts'
import { lengthOf } from './spans.ts'
import { readTarget } from './targets.ts'
import { readWhen, type When } from './when.ts'

type Made = Intent | undefined
const LENGTH =
  '\\b(?![ap]m\\b)((?:{num} ?(?:{unit}|h|m)\\b(?: and (?:a )?(?:half|quarter))?)|half an hour|(?:a )?half hour)'

const target = (text: string, world: World) => readTarget(text, world)

export function readSnooze(c: string, world: World): Made {
  const again = re(
    raw`^(?:remind me|ping me|nudge me|tell me|ask me)(?: again)?(?: (?:about|of) (?:it|that|`,
    raw`this))?(?: again)?\s*(.*)$`,
  ).exec(c)
  if (again && world.state.focus.length > 0 && !/^(?:to|about|of|that)\b/i.test(again[1] ?? '')) {
    const ahead = readWhen(again[1] ?? '', world.clock)
    if (ahead.when?.lead && ahead.rest === '')
      return { kind: 'change', target: { kind: 'focus', many: false }, change: { when: ahead.when } }
    const when = onlyWhen(again[1] ?? '', world)
    if (when) return { kind: 'change', target: { kind: 'focus', many: false }, change: { snooze: { when } } }
  }
  const more = rule(
    `^(?:give me |i need |just )?(?:another )?${LENGTH} more(?: please)?$|^(?:give me |i need |` +
      `just )?(?:another )?(?:{num} more (?:{unit}))$`,
    'i',
  ).exec(c)
  if (more && world.state.focus.length > 0) {
    const minutes = lengthOf(c.replace(/^(?:give me |i need |just |another )*/i, '').replace(/\bmore\b\s*/i, ''))
    return { kind: 'change', target: { kind: 'focus', many: false }, change: { snooze: { minutes: minutes ?? 30 } } }
  }
  const repeat = /^(.+?) again$/i.exec(c)?.[1]
  const next = repeat && world.state.focus.length > 0 ? onlyWhen(repeat, world) : undefined
  if (next) return { kind: 'change', target: { kind: 'focus', many: false }, change: { snooze: { when: next } } }
  const m = /^snooze\b\s*(.*)$/i.exec(c)
  if (!m) return undefined
  const body = m[1] ?? ''
  const until = /^(.*?)\s*\b(?:until|till|til|to|for)\s+(.+)$/i.exec(body)
  const length = rule(`^(.*?)\\s*(?:\\b(?:for|by|another|in)\\s+)*${LENGTH}[.!]*$`, 'i').exec(body)
  const minutes = length?.[2] ? lengthOf(length[2]) : undefined
  if (length && minutes) return snooze(length[1] ?? '', { minutes }, world)
  const when = until?.[2] ? onlyWhen(until[2], world) : undefined
  if (until && when) return snooze(until[1] ?? '', { when }, world)
  const read = readWhen(body, world.clock)
  return snooze(read.when ? read.rest : body, read.when ? { when: read.when } : {}, world)
}

function snooze(name: string, how: NonNullable<Change['snooze']>, world: World): Made {
  const found = target(name.replace(/\b(?:for|until|till|to)$/i, ''), world)
  return found ? { kind: 'change', target: found, change: { snooze: how } } : undefined
}

const VERB =
  '(?:move|push|reschedule|re-schedule|postpone|shift|bump|delay|defer|prepone|advance|change|' +
  'set(?! (?:up|aside|off|out|the table|foot)\\b)|put off|(?:bring|pull|put|take)(?= ' +
  '.{0,40}\\b(?:it|that|this|them|those|these|back|forward|up)\\b)|make|drag|slide|kick|switch|' +
  'extend|update|adjust|swap|do|roll|carry|have)'

/** "the report needs another day", "give me two more days for the report". */
function extension(c: string, world: World): Made {
  const more = '(?:another|one more|an extra|an additional|a few more|({num}) (?:more|extra)) ({unit})s?'
  const needs = rule(`^(.+?) (?:needs?|could use|wants?) ${more}$`, 'i').exec(c)
  const give = rule(
    `^(?:give me|i need|i want|i could use) ${more}(?: (?:for|on|with|to finish|to do) (.+))?$`,
    'i',
  ).exec(c)
  const late = rule(
    `^(.+?) (?:is |was |got |has been |'s )?(?:now )?(?:pushed|moved|delayed|postponed|bumped|shifted)(?: back| out)? (?:by )?${LENGTH}$`,
    'i',
  ).exec(c)
  const add = rule(
    `^(.+?) (?:needs?|could use|wants?|will need) (?:another |an extra )?${LENGTH}(?: more)?$`,
    'i',
  ).exec(c)
  const longer = late ?? add
  const length0 = longer?.[2] ? durationOf(longer[2]) : undefined
  const delayed = longer?.[1] && length0 ? target(longer[1], world) : undefined
  if (delayed && length0) return { kind: 'change', target: delayed, change: { shift: { ...length0, sign: 1 } } }
  const wait = rule(`^(.+?) can wait (?:for )?(?:another |a further )?${LENGTH}(?: more| longer)?$`, 'i').exec(c)
  const by = wait?.[2] ? durationOf(wait[2]) : undefined
  const waiting = wait?.[1] && by ? target(wait[1], world) : undefined
  if (waiting && by) return { kind: 'change', target: waiting, change: { shift: { ...by, sign: 1 } } }
  const [name, count, unit] = needs ? [needs[1], needs[2], needs[3]] : give ? [give[3] ?? 'it', give[1], give[2]] : []
  const length = unit ? durationOf(`${count ?? 1} ${unit}`) : undefined
  const found = name && length ? target(name, world) : undefined
  return found && length ? { kind: 'change', target: found, change: { shift: { ...length, sign: 1 } } } : undefined
}

function shift(c: string, world: World): Made {
  const m = rule(
    `^${VERB}\\s+(.*?)\\s*\\b(back|forward|forwards|up|out|earlier|later|ahead|over)?\\s*(?:by ` +
      `)?(?:another )?${LENGTH}\\s*(earlier|later|back|forward|forwards|out|ahead|sooner)?[.!]*$`,
    'i',
  ).exec(c)
  if (!m?.[3] || (/^(?:make|set|do|have|put|change|update)/i.test(c) && !m[2] && !m[4])) return undefined
  const way = `${m[2] ?? ''} ${m[4] ?? ''}`.toLowerCase()
  if (/\b(?:for|in|takes?|to)$/i.test(m[1] ?? '')) return undefined
  const early =
    /^(?:prepone|advance)/i.test(c) ||
    /earlier|sooner|\bup\b/.test(way) ||
    (/forward/.test(way) && !/^(?:push|kick|shift|roll)/i.test(c)) ||
    (/^(?:bring|pull)/i.test(c) && !/back|out/.test(way))
  const length = durationOf(m[3])
  const found = length ? target((m[1] ?? '').replace(/\s+by$/i, ''), world) : undefined
  return found && length
    ? { kind: 'change', target: found, change: { shift: { ...length, sign: early ? -1 : 1 } } }
    : undefined
}

function durationOf(text: string): Length | undefined {
  if (/half/i.test(text) && !/and/i.test(text)) return { minutes: 30 }
  const m = rule('^({num}) ?({unit}|h|m)\\b( and (?:a )?half)?', 'i').exec(text)
  if (!m?.[1] || !m[2]) return undefined
  const { unit, times } = unitOf(m[2].toLowerCase() === 'm' ? 'minutes' : m[2])
  const n = (numberOf(m[1]) ?? 1) * times + (m[3] ? 0.5 : 0)
  if (unit === 'hours') return { minutes: Math.round(n * 60) }
  if (unit === 'weeks') return { days: Math.round(n * 7) }
  return { [unit]: Math.round(n) }
}

/** "the deadline of X", "X's due date" are X. */
function owner(text: string): string {
  return text
    .replace(/^(?:the )?(?:due ?date|deadline|due time|time|date|reminder|start)(?: of| for| on) /i, '')
    .replace(/(?:'s)? (?:due ?date|deadline|due time|time|date)$/i, '')
    .replace(/\s+(?:back|forward|out|over|off|up|due|for)$/i, '')
    .replace(/^(?:back|forward|off|up|out) /i, '')
}

function made(name: string, when: When, world: World, orCreate?: string): Made {
  const found = target(owner(name), world)
  if (!found) return undefined
  const draft = orCreate ? draftOf(orCreate, world, false) : undefined
  return { kind: 'change', target: found, change: { when }, ...(draft?.title ? { orCreate: draft } : {}) }
}

function fromTo(body: string, world: World): Made {
  const m = /^(.*?)\s*\bfrom\s+(.+?)\s+(?:to|until|till|->)\s+(.+)$/i.exec(body)
  if (!m?.[2] || !m[3]) return undefined
  const when = onlyWhen(m[3], world)
  const there = readRange(m[2], world.clock)
  if (!when || !(there || onlyWhen(m[2], world))) return undefined
  const found = target(`${m[1] ?? ''} from ${m[2]}`, world)
  return found ? { kind: 'change', target: found, change: { when } } : undefined
}

const DEADLINE = '(?:due ?date|deadline|due time|date|time)'

/** "set a due date of friday for X", "give X a deadline of friday", "give me till thursday for X". */
function deadline(c: string, world: World): Made {
  const first = new RegExp(
    `^(?:set|put|add|make|give me)(?: a| the)? ${DEADLINE}(?: of| to| for| as)? (.+?) (?:for|on|to) (.+)$`,
    'i',
  ).exec(c)
  const second = new RegExp(
    `^(?:set|put|add|give|change|make)(?: a| the)? ?(?:${DEADLINE} (?:for|on|to|of) )?(.+?) (?:a |` +
      `an |the )?(?:${DEADLINE} )?(?:of|to|as|is|by) (.+)$`,
    'i',
  ).exec(c)
  const more = /^(?:give me|i need) (?:until|till|til) (.+?)(?: (?:for|on|with) (.+))?$/i.exec(c)
  const [when, name] = more ? [more[1], more[2] ?? 'it'] : [first?.[1], first?.[2]]
  const read = when ? onlyWhen(when, world) : undefined
  if (name && read) return made(name, read, world)
  const late = second?.[2] && new RegExp(DEADLINE, 'i').test(c) ? onlyWhen(second[2], world) : undefined
  return late && second?.[1] ? made(second[1], late, world) : undefined
}

/** "move the report to friday morning", "push everything back a day", "the slides can wait until monday". */
export function readSchedule(c: string, world: World): Made {
  const due = extension(c, world) ?? deadline(c, world)
  if (due) return due
  const verb = rule(`^(?:please )?${VERB}\\s+(?:back |forward )?(.+)$`, 'i').exec(c)
  if (verb?.[1]) {
    const body = verb[1]
    const moved = shift(c, world) ?? fromTo(body, world)
    if (moved) return moved
    const parts = splitWhen(body, world)
    const creates = /^(?:put|set|make|have|do)\b/i.test(c)
      ? parts && `${/^do\b/i.test(c) ? 'do ' : ''}${body}`
      : undefined
    if (parts && !(/^(?:make|do|have)\b/i.test(c) && !focusWord(parts.name) && !/\binstead\b/i.test(c)))
      return made(parts.name, parts.when, world, creates)
    const whole = onlyWhen(body, world, false)
    const moves = /^(?:move|push|reschedule|postpone|bump|delay|shift)\b/i.test(c)
    if (whole && (moves || world.state.focus.length > 0)) return made('it', whole, world)
    const read = readWhen(body, world.clock)
    if (read.when && read.rest && /^(?:reschedule|re-schedule|postpone|move|push|delay|defer|bump|shift)/i.test(c))
      return made(read.rest.replace(/\s+to$/, ''), read.when, world)
  }
  const bare = re(
    raw`^(?:reschedule|re-schedule|postpone|delay|defer|snooze|put off|move|`,
    raw`push(?: back)?) (?:back )?(?:the |my )?(.+)$`,
  ).exec(c)
  const found =
    bare?.[1] && bare[1].split(' ').length <= 6 && !/^(?:to|in|out|into|house|on)\b/i.test(bare[1])
      ? target(bare[1].replace(/ (?:back|off|for me)$/i, ''), world)
      : undefined
  const said = stated(c, world)
  if (said) return said
  const short = /^(?:make|set|have) (?:the |my )(.+?) (?:at |for )?(\d{1,2}(?::\d\d)?(?: ?[ap]m)?)$/i.exec(c)
  const hour = short?.[2] ? onlyWhen(short[2], world) : undefined
  if (hour && short?.[1] && !readWhen(short[1], world.clock).when) return made(short[1], hour, world)
  return found && !(/^(?:move|push)/i.test(c) && found.kind === 'named')
    ? { kind: 'ask-when', target: found }
    : undefined
}

const focusWord = (name: string) => /^(?:it|that|this|them|those|these|both|all of them|the \w+ one)$/i.test(name)

/** "van service 9": a time without a word before it, where one must be. */
function lastWords(text: string, world: World): { name: string; when: When } | undefined {
  const words = text.split(' ')
  for (const n of [3, 2, 1]) {
    const when = words.length > n ? onlyWhen(words.slice(-n).join(' '), world) : undefined
    if (when) return { name: words.slice(0, -n).join(' '), when }
  }
  return undefined
}

/** "the report is now due thursday", "the slides can wait til monday", "let's do the call friday instead". */
function stated(said: string, world: World): Made {
  const c = said.replace(/^(?:make|set|mark|have) (?=.+ due\b)/i, '')
  const fixed =
    /^(.+? (?:is|are) (?:now |actually )?(?:at|on|due|due at|due on) (.{1,30}?)),? not (?:on |at )?([\w: ]{1,12})$/i.exec(
      c,
    )
  const meant = fixed?.[2] && onlyWhen(fixed[3] ?? '', world) ? onlyWhen(fixed[2], world) : undefined
  if (fixed?.[1] && meant) return made(fixed[1].replace(/ (?:is|are) .*$/i, ''), meant, world)
  if (
    /^(?:delete|remove|mark|complete|cancel|finish|clear|check|tick|reopen|tag|archive|what|who|when|show)\b/i.test(c)
  )
    return undefined
  const m =
    /^(.+?) -> (.+)$/.exec(c) ??
    /^(.+?) (?:is|are|'s) (?:at |on )?(.+?)(?<! from) now$/i.exec(c) ??
    /^(.+?),? make (?:it|that) (.+)$/i.exec(c) ??
    /^(.+?) (?:is|are|'s) (?:now |actually |not now )(?:on |at |for )?(.+)$/i.exec(c) ??
    /^([^:]{2,60}):? (?:is |are )?(?:now )?due(?: on| by| at)? (.+)$/i.exec(c) ??
    re(
      raw`^(.+?) (?:now )?(?:moved|pushed|postponed|rescheduled|delayed|changed|bumped|`,
      raw`shifted)(?: us| me| it)?(?: back| out| up| forward)?(?: to| for| until| till| on| by| at) (.+)$`,
    ).exec(c) ??
    re(
      raw`^(.+?) (?:is|are|'s|was|got|has been|have been) (?:now |actually |being |been )*(?:due|`,
      raw`moved|pushed|postponed|rescheduled|delayed|changed|set|on|at|bumped)(?: back| out)?(?: to|`,
      raw` for| until| on| by| at)? (.+)$`,
    ).exec(c) ??
    re(
      raw`^(.+?) (?:can|could|should|will|has to|needs to|must) (?:wait|be moved|move|be pushed|`,
      raw`be due|be done|be finished|be ready|be sent|happen|be rescheduled|be postponed|be)(?: to|`,
      raw` until| till| til| on| by| for| at)? (.+)$`,
    ).exec(c) ??
    /^(.+?) (?:now )?(?:starts|begins|kicks off|happens)(?: now)?(?: on| at)? (.+)$/i.exec(c) ??
    /^(?:do|have|let's do) (.+?) (?:on |at )?(\S+(?: \S+){0,3}) instead$/i.exec(c)
  const other = re(
    raw`^(?:the |my )?(?:\w+ ){1,2}(?:moved|pushed|rescheduled|changed|postponed|delayed|shifted|`,
    raw`bumped) (?:the |my |our |this )(.+?) (?:back )?(?:to|until|till|for) (.+)$`,
  ).exec(c)
  const then = other?.[2] ? onlyWhen(other[2], world) : undefined
  if (then && other?.[1]) return made(other[1], then, world)
  const wrong =
    /^(.+?) (?:is|are)(?: not|n't) (?:on |at |due )?.{1,20}?,? (?:but |it's |is |it is )+((?:on |at )?.+)$/i.exec(c)
  const right = wrong?.[2] ? onlyWhen(wrong[2], world) : undefined
  if (right && wrong?.[1]) return made(wrong[1], right, world)
  const rather = /^(.+?)\s+(?:instead of|rather than) (?:on |at )?[\w: ]{1,20}$/i.exec(c)?.[1]
  const better = rather ? (splitWhen(rather, world) ?? lastWords(rather, world)) : undefined
  if (better) return made(better.name, better.when, world, rather)
  const not = m ? undefined : /^(.+?),? not (?:on |at )?[\w: ]{1,12}$/i.exec(c)?.[1]
  const kept = not ? splitWhen(not, world) : undefined
  if (not && kept && onlyWhen(/ not (?:on |at )?(.+)$/i.exec(c)?.[1] ?? '', world))
    return made(kept.name, kept.when, world, not)
  const swapped = m ? undefined : /^(.+) instead$/i.exec(c)?.[1]
  const parts = swapped ? splitWhen(swapped, world) : undefined
  if (parts) return made(parts.name, parts.when, world, swapped)
  const when = m?.[2] ? onlyWhen(m[2], world) : undefined
  if (!m?.[1] || !when) return undefined
  const firm = /\b(?:now|moved|pushed|postponed|rescheduled|delayed|changed|bumped|wait|instead)\b/i.test(c)
  return made(
    m[1],
    when,
    world,
    firm ? undefined : `${m[1].replace(/^(?:the|my) /i, '')} ${/\bdue\b/i.test(c) ? 'due ' : ''}${m[2]}`,
  )
}
