import { bare, isBulleted, requestsIn, sentencesOf } from './clauses.ts'
import { readDraft } from './do-draft.ts'
import { underHeader } from './headers.ts'
import { impossible } from './impossible.ts'
import type { Intent, Task, World } from './intent.ts'
import { startsRequest } from './joints.ts'
import { onlyWhen } from './only-when.ts'
import { raw, re } from './pattern.ts'
import { about } from './query-words.ts'
import { readCalendar, withEvents } from './read-calendar.ts'
import { readElsewhere, unsupported } from './read-cannot.ts'
import { readChange } from './read-change.ts'
import { draftOf, impliedCreate, readCreate } from './read-create.ts'
import { readEnding, readTold } from './read-ending.ts'
import { isNo, isYes, readAnswer, readCorrection, readNext, readUndo } from './read-follow.ts'
import { readList } from './read-lists.ts'
import { readAfterthought, readMind, readStatement } from './read-mind.ts'
import { readAgain, readQuery, readTimedQuestion } from './read-query.ts'
import { readSchedule, readSnooze } from './read-schedule.ts'
import { readSettings, readZone } from './read-settings.ts'
import { ABILITIES, readProject, readTalk } from './read-talk.ts'
import { scan } from './scan.ts'
import { fold, narrow, selfCorrected, shareTime, spread, topics } from './shapes.ts'
import { isAction, QUESTION } from './verbs.ts'
import { tidy, tokens } from './words.ts'

const PENDING: Task = {
  id: '',
  title: '',
  notes: '',
  status: 'pending',
  priority: 'medium',
  labels: [],
  projectId: null,
  start: null,
  due: null,
  remindAt: null,
  recurrence: null,
  completedAt: null,
}
const EXPLICIT = re(
  raw`^(?:(?:please )?(?:remind me|ping me|nudge me|set (?:me )?(?:a |an )?(?:reminder|alarm|`,
  raw`timer)|wake me|todo|to-do|to do:|note to self|(?:add|create|make|new)(?: me)? (?:a |an |`,
  raw`another |new )*(?:task|todo|to-do|reminder)|new task|(?:todo|to-do|to do|task|`,
  raw`reminder)\s*[:-]\s*|don't let me forget|don't forget to|remember to|make sure (?:i|to))|`,
  raw`(?:i|we) (?:really |also |still )*(?:need to|have to|got to|must|should|ought to|want to|`,
  raw`would like to)|i've got to|(?:need|have|got|want) to)\b|^(?!(?:i|we|it|that|this|they|you|`,
  raw`who|what|which|why|how)\b).{2,60}? needs? (?:a |an |some )?\w+ing\b`,
)
const MOVES = re(
  raw`^(?:(?:i|we) )?(?:really )?(?:need to|have to|got to|must|should|want to|i've got to|`,
  raw`would like to) (?=(?:move|push|reschedule|postpone|bump|delay|shift|put off)\b)`,
)

const WILL = /^(?:ok(?:ay)?,? )?(?:i|we)(?:'ll| will| am going to|'m going to|'m gonna) /i

const say = (text: string): Intent => ({ kind: 'say', text })
function unknown(c: string, world: World): Intent {
  const draft = draftOf(c.replace(WILL, ''), world, false)
  const words = tokens(c)
  const asks = QUESTION.test(c) || /\?\s*$/.test(c)
  const plausible = !asks && draft.title !== '' && words.length <= 12 && /[a-z]{2}/i.test(c)
  const offer = plausible ? ` Shall I add “${draft.title}” as a task?` : ''
  const means = plausible && WILL.test(c) && isAction(tokens(draft.title)[0] ?? '')
  return {
    kind: 'say',
    about: c,
    text: means
      ? `That sounds like something you will do.${offer}`
      : `Sorry, I didn't understand that. ${ABILITIES}${offer}`,
    ...(plausible ? { ask: { kind: 'offer', intent: { kind: 'create', draft } } } : {}),
  }
}

function moved(c: string, world: World): Intent | undefined {
  if (!MOVES.test(c)) return undefined
  const found = readSchedule(c.replace(MOVES, ''), world)
  const draft = draftOf(
    c.replace(/^.*?\b(?=(?:move|push|reschedule|postpone|bump|delay|shift|put off)\b)/i, ''),
    world,
    false,
  )
  return found?.kind === 'change' ? { ...found, orCreate: draft } : undefined
}

/** "in 3 days I have an exam" reads like "I have an exam in 3 days". */
function rotate(c: string, world: World): string {
  let end = 0
  for (const p of scan(c, world.clock)) if (c.slice(end, p.start).replace(/[\s,]/g, '') === '') end = p.end
  const rest = c.slice(end).replace(/^[\s,:-]+/, '')
  return end > 0 && rest !== '' ? `${rest} ${c.slice(0, end)}` : c
}

/** No command is that long: a thing to keep, or a task with much to say. */
function readLong(c: string, world: World): Intent {
  const draft = draftOf(c, world, /^remind me\b/i.test(c))
  if (/^(?:remember|keep in mind|note that|fyi)\b/i.test(c)) return readMind(c, world) ?? unknown(c, world)
  return EXPLICIT.test(c) || /^(?:add|create)\b/i.test(c) ? { kind: 'create', draft } : unknown(c, world)
}

/** A question nothing else took: it may be about a task or something remembered. */
function wonder(c: string): Intent | undefined {
  const text = QUESTION.test(c) ? about(c) : ''
  if (text === '' || text.split(' ').length > 6) return undefined
  return { kind: 'find', filter: { text, sort: 'due', limit: 20 }, view: 'about', title: text, memories: true }
}

/** One clause, one intent. The order is the grammar: what is most particular is asked first. */
const MAX_COMMAND_CHARS = 280

function readClause(clause: string, world: World): Intent {
  const c = bare(clause)
  const elsewhere = readElsewhere(c, world)
  if (elsewhere && !readUndo(c, world)) return elsewhere
  const never = c.length > MAX_COMMAND_CHARS ? undefined : impossible(c)
  if (never) return say(never)
  const plain = () => readPlain(clause, world)
  return readCalendar(c, world, plain) ?? withEvents(plain(), c, world)
}

function readPlain(clause: string, world: World): Intent {
  const polite = /^\W*(?:\w+[,!]? ){0,3}?(?:can|could|would|will|shall|should|please|may)\b/i.test(clause)
  const c = polite ? bare(clause.replace(/\?+\s*$/, '')) : bare(clause)
  if (c.length > MAX_COMMAND_CHARS) return readLong(c, world)
  const doubted = /\?\s*$/.test(clause.trim()) && !polite
  const turned = rotate(c, world)
  const place = /^(?:i|we|i'm|we're|now|just|back)\b/i.test(c) ? readZone(c) : undefined
  if (place?.kind === 'prefs') return place
  if (EXPLICIT.test(c) || EXPLICIT.test(turned)) {
    const explicit =
      (/^note to self\b/i.test(c) ? readMind(c, world) : undefined) ??
      readSnooze(c, world) ??
      readList(c, world) ??
      moved(c, world) ??
      readCreate(c, world) ??
      readCreate(turned, world)
    if (explicit) return explicit
  }
  return (
    readUndo(c, world) ??
    readTalk(c, world) ??
    readCorrection(clause, world) ??
    readMind(c, world) ??
    readSettings(c, world) ??
    readAgain(c, world) ??
    readProject(c, world) ??
    readList(c, world) ??
    (doubted ? undefined : (readChange(c, world) ?? readEnding(c, world))) ??
    unsupported(c, world) ??
    readQuery(c, world) ??
    readCreate(c, world) ??
    (turned === c ? undefined : readCreate(turned, world)) ??
    (doubted ? undefined : readStatement(c, world)) ??
    unfinished(c, world) ??
    (doubted ? undefined : impliedCreate(c, world)) ??
    readTimedQuestion(c, world) ??
    readTold(c, world) ??
    wonder(c) ??
    unknown(c, world)
  )
}

/** "remind me at 5": of what? A lone "tomorrow": what about it? */
function unfinished(c: string, world: World): Intent | undefined {
  const m =
    /^(?:remind me|set (?:a |an )?(?:reminder|alarm)|reminder|ping me|add (?:a )?(?:task|reminder))\b(.*)$/i.exec(c)
  const when = m ? onlyWhen(m[1] ?? '', world, true) : undefined
  if (m && (when || (m[1] ?? '').trim() === ''))
    return {
      kind: 'say',
      text: 'Sure: what should I remind you about?',
      ask: { kind: 'what', ...(when ? { when } : {}) },
    }
  const lone = onlyWhen(c, world, false)
  return lone ? readQuery(`what's due ${c}`, world) : undefined
}

const after = (world: World, intents: Intent[], clause: string): World => {
  const makes =
    intents.some((i) => i.kind === 'create' || i.kind === 'change') ||
    (intents.length > 0 && /\b(?:it|that)\b/i.test(clause))
  return makes ? { ...world, state: { ...world.state, focus: [PENDING], focusIs: 'written', wrote: true } } : world
}

/** Everything the person asks for in one message, in order. */
export function understand(said: string, world: World): Intent[] {
  const text = selfCorrected(tidy(said), world)
  if (!/[\p{L}\p{N}?\u{1f44d}\u{1f44e}]/u.test(text)) return [say(`I didn't catch that. ${ABILITIES}`)]
  const short = said.trim().length <= 3 ? said.trim().toLowerCase() : text
  const core = uncluttered(text)
  const whole =
    (core === text ? undefined : answering(core, world)) ??
    answering(short, world) ??
    (short === text ? undefined : answering(text, world)) ??
    alone(text, core, world)
  if (whole) return [whole]
  const draft = readDraft(text, world)
  if (draft) return [draft]
  return underHeader(text, world) ?? clauses(text, world)
}

/** What a greeting before and a thank-you behind leave of a short message. */
function uncluttered(text: string): string {
  const core = text
    .replace(/^(?:(?:hey|hi|hello|ok|okay|um+|uh+|er|also|and|please|so|well|alright|hmm+)\b[\s,!.]+)+/i, '')
    .replace(/(?:[\s,!.]+(?:please|thanks|thank you|thanks a lot|cheers))+[\s!.]*$/i, '')
  return core === '' ? text : core
}

/** A reply to what was asked before, or a word that takes something back. */
function answering(text: string, world: World): Intent | undefined {
  const { ask, unconfirmed, wrote } = world.state
  const answer = ask ? readAnswer(ask, text, world) : undefined
  if (answer) return answer
  const agreed = isYes(text) || /^(?:delete|forget|archive|do|approve|accept) (?:it|that|them)$/i.test(text)
  if (unconfirmed && agreed) return { kind: 'repeat-calls', calls: unconfirmed }
  const refused = isNo(text) || isNo(text.replace(HESITANT, ''))
  const undo = readUndo(text, world)
  // Of what waits for a yes nothing was done: to take it back is to leave it.
  if (unconfirmed && (refused || undo)) return say('Okay, I left it as it is.')
  if (undo) return undo
  if (isYes(text) && FIRM_YES.test(text))
    return say("I'm not sure what you are saying yes to: I had asked nothing. Tell me what you would like done.")
  if (!refused) return undefined
  return say(wrote ? 'Okay. If you want the last change taken back, say “undo”.' : 'Okay, nothing changed.')
}

const HESITANT = /^(?:(?:actually|wait|hmm+|hold on|oh|um+|sorry)\b[\s,.]*)+/i
const FIRM_YES = /^(?:y|yes|yep|yeah|yup|ya|do it|go ahead|confirm|absolutely|definitely|of course)\b/i

/** A message that is one thing as a whole. */
function alone(text: string, core: string, world: World): Intent | undefined {
  return (
    readTalk(bare(text), world) ??
    chatter(text, world) ??
    readNext(text, world) ??
    readCorrection(text, world) ??
    (core === text ? undefined : readCorrection(core, world)) ??
    readAfterthought(core)
  )
}

/** "Thank you very much, that will be all.": courtesies only. */
function chatter(text: string, world: World): Intent | undefined {
  const said = text
    .split(/[,.!?;\n]+/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => readTalk(part, world))
  return said.length > 0 && said.length < 6 && said.every(Boolean) ? said[0] : undefined
}

function clauses(text: string, world: World): Intent[] {
  const bulleted = isBulleted(text)
  const all: Intent[] = []
  for (const sentence of sentencesOf(text)) {
    const group = requestsIn(sentence, startsRequest(world)).flatMap(spread)
    const intents: Intent[] = []
    for (const clause of group) {
      const intent = readClause(clause, after(world, [...all, ...intents], clause))
      const asTask = bulleted && intent.kind === 'say'
      intents.push(asTask ? { kind: 'create', draft: draftOf(bare(clause), world, false) } : intent)
    }
    shareTime(intents, group)
    all.push(...topics(intents, group, world))
  }
  const useful = all.filter(
    (i, at) => !(i.kind === 'say' && i.text === '👍') && !(i.kind === 'undo' && all[at - 1]?.kind === 'undo'),
  )
  return narrow(fold(useful.length > 0 ? quiet(useful) : all))
}

/** Courtesies beside a request are not answered on their own. */
function quiet(intents: Intent[]): Intent[] {
  const acts = intents.filter((i) => i.kind !== 'say')
  const told =
    acts.length === 0
      ? intents
      : intents.map(
          (i): Intent => (i.kind === 'say' && i.about ? { kind: 'say', text: `I didn't understand “${i.about}”.` } : i),
        )
  const courtesy = (i: Intent) =>
    i.kind === 'say' && !i.ask && /^(?:You're welcome|No problem|Hello|Good |All well|\ud83d\udc4d|Bye)/.test(i.text)
  if (acts.length > 0) return told.filter((i) => !courtesy(i))
  const telling = intents.find((i) => i.kind === 'say' && !courtesy(i) && !i.about)
  return telling ? [telling] : intents.slice(0, 1)
}
