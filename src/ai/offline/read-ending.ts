import type { Intent, Target, World } from './intent.ts'
import { rule } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { readTarget } from './targets.ts'
import { isAction, presentOf, QUESTION } from './verbs.ts'
import { readWhen } from './when.ts'
import { tokens } from './words.ts'

type Made = Intent | undefined

const DONE =
  '(?:done|finished|complete|completed|finito|sorted|handled|taken care of|over with|wrapped up|ticked off|checked off)'

const WHOLE_LIST =
  /^(?:clear|empty|wipe) (?:out )?(?:my |the )(?:whole |entire |to-?do |todo |task )*(?:list|tasks|to-?dos|todos)$/i

/** Sentences that say a task is finished, was not, or should go. */
export function readEnding(c: string, world: World): Made {
  if (/^clear (?:my |the )?(?:day|schedule|calendar|plate|afternoon|morning|today|tomorrow|overdue|\w+day)\b/i.test(c))
    return undefined
  if (QUESTION.test(c) || /\?\s*$/.test(c)) return undefined
  if (WHOLE_LIST.test(c))
    return {
      kind: 'say',
      text: 'That would delete every open task. Shall I delete them all?',
      ask: {
        kind: 'offer',
        intent: { kind: 'delete', target: { kind: 'set', filter: { open: true, limit: 100 }, name: 'all' } },
      },
    }
  const can = /^(.+?) (?:can|should|could) (?:be (?:deleted|removed|trashed)|go)(?: now)?$/i.exec(c)
  if (can?.[1]) return ending('delete', can[1], world)
  const again =
    /^(?:reopen|re-open|uncheck|untick|uncomplete|un-complete|restore|unmark|bring back) (.+)$/i.exec(c) ??
    re(
      raw`^(?:mark|set) (.+?) (?:as |to |back to )*(?:not (?:done|complete|completed|finished)|undone|`,
      raw`incomplete|unfinished|open|todo|to do|pending)(?: again)?$`,
    ).exec(c) ??
    re(
      raw`^(.+?) (?:isn't|is not|wasn't|was not|'s not|aren't) (?:actually |really )?(?:done|finished|`,
      raw`complete|completed)(?: yet| after all| actually)*$`,
    ).exec(c) ??
    re(
      raw`^(?:i )?(?:haven't|have not|didn't|did not) (?:actually |really |yet )*(?:finish|finished|`,
      raw`do|done|complete|completed|get to) (.+?)(?: yet| after all)?$`,
    ).exec(c)
  if (again?.[1]) return ending('reopen', again[1], world)
  const gone =
    re(
      raw`^(?:delete|remove|trash|erase|get rid of|bin|discard|throw (?:away|out)|nuke|wipe|`,
      raw`clear(?: out| off)?|drop(?!.*\boff\b)|kill) (.+)$`,
    ).exec(c) ?? /^take (.+?) off (?:of )?(?:my |the )?(?:list|tasks|to-?dos?|plate)$/i.exec(c)
  const soft =
    /^(?:remove|trash|bin|discard|throw|wipe|clear|drop|kill)/i.test(c) &&
    !/\b(?:tasks?|reminders?|list|todos?|one|ones|everything|all)\b/i.test(c)
  if (gone?.[1] && soft) {
    const when = readWhen(c, world.clock).when
    const made = ending('delete', gone[1], world)
    if (when?.dateSaid || when?.part || when?.repeat)
      return made?.kind === 'delete' && made.target.kind === 'named'
        ? { ...made, orCreate: draftOf(c, world, false) }
        : made
  }
  if (gone?.[1])
    return ending(
      'delete',
      gone[1].replace(
        /\s+(?:off|from|out of) (?:of )?(?:my |the )?(?:list|tasks|to-?dos?|todo list|plate|todos)$/i,
        '',
      ),
      world,
    )
  return completion(c, world)
}

function completion(c: string, world: World): Made {
  if (
    rule(
      `^(?:(?:i'?m |it'?s |that'?s |all |is |i'?ve |i have |i |already |ok |now )*${DONE}(?: now| ` +
        `already| it)?|(?:i )?(?:already |just )?did (?:it|that|this)(?: already| now| too)?)[.!]*$`,
      'i',
    ).test(c)
  ) {
    return world.state.focus.length > 0 ? ending('complete', /^all\b/i.test(c) ? 'them' : 'it', world) : undefined
  }
  const m =
    rule(
      `^(?:i'?m |i am |we're |we are |all |just |now |finally |already )*(?:${DONE}|through|good|got ` +
        `done) (?:with|on) (.+)$`,
      'i',
    ).exec(c) ??
    rule(
      `^(?:please )?(?:mark|set|check|tick|cross|flag|put|count|strike|log)(?: off| out)? (.+?) ` +
        `(?:as |is |to |off as |down as )*(?:${DONE}|off|out|closed)(?: off)?$`,
      'i',
    ).exec(c) ??
    /^(?:check|tick|cross|strike)(?: off| out) (.+?)$/i.exec(c) ??
    /^(?:complete|close out|close off|finish off|resolve) (.+)$/i.exec(c) ??
    rule(
      `^(.+?) (?:is |are |was |were |has been |have been |got |'s |all |both )*${DONE}(?: now| ` +
        `already| too| today| as well)?[.!]*$`,
      'i',
    ).exec(c) ??
    re(
      raw`^(?:i |i've |i have |we |we've |just |already |finally |have |yes |ok )*(?:got|`,
      raw`had) (.+?) (?:done|finished|sorted|completed)(?: now| already| today)?$`,
    ).exec(c) ??
    re(
      raw`^(?:i |i've |i have |we |we've |just |already |finally |have |yes )*(?:finished|completed|`,
      raw`did|wrapped up|knocked out|crossed off|ticked off|checked off|took care of|handled|`,
      raw`sorted(?: out)?|dealt with|nailed|finalized|done) (.+?)$`,
    ).exec(c)
  if (
    m?.[1] &&
    !/^(?:not|nothing|i|well)\b/i.test(m[1]) &&
    !(/^(?:complete|resolve)/i.test(c) && readWhen(m[1], world.clock).when?.dateSaid)
  )
    return ending('complete', past(m[1]), world)
  const marked = /^(?:mark|set|log|put) (.+?) (?:as )?([a-z]+(?:ed|id|nt|ght))$/i.exec(c)
  if (marked?.[1] && marked[2] && presentOf(marked[2])) return ending('complete', marked[1], world)
  const been = /^(?:i|we)(?:'ve| have)? (?:just |already )?been (?:to|at) (.+)$/i.exec(c)
  if (been?.[1]) return ending('complete', past(been[1]), world)
  const told = pastTense(c)
  if (!told) return undefined
  const when = readWhen(told.rest, world.clock).when
  if (when?.date && when.dateSaid && world.clock.today.until(when.date).sign > 0) return undefined
  return ending('complete', past(`${told.verb} ${told.rest}`), world)
}

/** "called the dentist", "the forms are signed", "budget approved", "the documents I sent already". */
function pastTense(c: string): { verb: string; rest: string } | undefined {
  const plain = past(c.replace(/[.!]+$/, ''))
  const first = /^(?:(?:i|i've|i have|we|we've|just|already|finally|have|also|so)\s+)*([a-z]+)\s+(.+)$/i.exec(plain)
  const verb = first?.[1] ? presentOf(first[1]) : undefined
  if (first?.[2] && verb && (verb !== first[1]?.toLowerCase() || /^(?:i|already|just|we)\b/i.test(plain)))
    return { verb, rest: first[2] }
  const fronted =
    /^(.{2,60}?),? (?:i|we|i've|i have|we've)(?: have)?(?: already| just)? ([a-z]+)(?: already| just)?$/i.exec(plain)
  const did = fronted?.[2] ? presentOf(fronted[2]) : undefined
  if (fronted?.[1] && did) return { verb: did, rest: fronted[1] }
  const last = re(
    raw`^(.{2,60}?)(?: is| are| was| were| got| has been| have been|'s| all| both)*(?: already| now|`,
    raw` just| finally)? ([a-z]+)$`,
  ).exec(plain)
  const been = last?.[2] && /(?:ed|en|nt|id|ld|ne|wn|ught|ade|pt)$/i.test(last[2]) ? presentOf(last[2]) : undefined
  const inner =
    /^(?!(?:i|we|he|she|they|it|you)\b)(.{2,40}?) ([a-z]+) (?:to|with|off|in|out|by|for|at|over|up)\b ?(.*)$/i.exec(
      plain,
    )
  const middle =
    inner?.[2] && /(?:ed|sent|paid|bought|done|made|taken|given|put)$/i.test(inner[2]) ? presentOf(inner[2]) : undefined
  if (inner?.[1] && middle && !(inner[1].includes(' ') && isAction(inner[1].split(' ')[0] ?? '')))
    return { verb: middle, rest: `${inner[1]} ${inner[3] ?? ''}`.trim() }
  if (!last?.[1] || !been || (isAction(last[1].split(' ')[0] ?? '') && last[1].includes(' '))) return undefined
  return { verb: been, rest: last[1] }
}

const past = (text: string) =>
  /\b(?:everything|all|due)\b/i.test(text)
    ? text
    : text.replace(
        re(
          raw`\s+(?:already|today|now|earlier|earlier today|yesterday|this morning|just now|last night|`,
          raw`finally|tonight|this afternoon|only|today only)[.!]*$`,
        ),
        '',
      )

/** "Rex went to the vet": told as past, so perhaps a task is done. */
export function readTold(c: string, world: World): Made {
  const words = tokens(c)
  const verb = words.slice(1).find((w) => presentOf(w) !== undefined && presentOf(w) !== w)
  if (!verb || words.length > 9 || QUESTION.test(c) || /\?$/.test(c)) return undefined
  return ending('complete', past(c.replace(new RegExp(`\\b${verb}\\b`, 'i'), ' ').replace(/\s+/g, ' ')), world)
}

function ending(kind: 'complete' | 'reopen' | 'delete', text: string, world: World): Made {
  const target: Target | undefined = readTarget(text, world)
  return target ? { kind, target } : undefined
}
