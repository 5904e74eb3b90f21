import { bare, taskFollows } from './clauses.ts'
import type { World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { readTalk } from './read-talk.ts'
import { scan } from './scan.ts'
import { COMMAND, QUESTION } from './verbs.ts'
import { readWhen } from './when.ts'
import { tokens } from './words.ts'

const LOOK_BACK_CHARS = 160
const ASKS =
  /^(?:what(?:'s| is| are| do| did| time| have| am)|when(?:'s| is)|how many|how's|how am|which|who's|where)\b/i
const INDIRECT = /\b(?:know|ask|tell|remember|check|see|find out|decide|figure out|about|of|remind me)$/i
const NEEDS = /\b(?:remind me|need to|have to|got to|don't forget|remember) (?:to )?/i
const TOLD = /^(?:remember that|note that|keep in mind)/i
const OPENER = re(
  raw`^(?:remind me to|remind me|i need to|i have to|i've got to|need to|have to|add|todo:?|`,
  raw`tomorrow:?|today:?|don't forget to)\s*`,
)
/** After "remind me to call mom and …" these may go on with the same reminder. */
const AMBIGUOUS = re(
  raw`^(?:move|remove|delete|change|set|put|cancel|complete|mark|find|push|check|search|list|show|`,
  raw`make|schedule|call|bump|drop|delay|shift|rename|start|give|repeat|label|tag|forget|`,
  raw`archive)\b`,
)
const MARKED = re(
  raw`\b(?:tasks?|reminder|my list|as done|as complete|done|priority|urgent|undo)\b|\b(?:to|until|`,
  raw`till) (?:today|tomorrow|mon|tue|wed|thu|fri|sat|sun|next|\d)`,
)
const MAKES = re(
  raw`^make .{2,40} (?:urgent|important|(?:high|low|top|medium)(?:[ -]priority)?|weekly|daily|`,
  raw`monthly|yearly|repeat\b.*|due\b.*)$`,
)
/** A command that has said all it needs. */
const CLOSED = /\b(?:done|complete|completed|finished|urgent|important|priority|weekly|daily|monthly|yearly)$/i
const NEXT_JOINT = /\b(?:then|also|plus|well as)\b/i

const timeIn = (text: string, world: World) => readWhen(text.slice(-LOOK_BACK_CHARS), world.clock).when !== undefined

function endsInTime(text: string, world: World): boolean {
  const tail = text.slice(-LOOK_BACK_CHARS)
  return scan(tail, world.clock).at(-1)?.end === tail.length
}

/** "…, remind me an hour before" belongs to what stands before it. */
function onlyReminder(right: string, world: World): boolean {
  const tail = right.replace(/^remind me\b/i, '').trim()
  const { when, rest } = readWhen(tail, world.clock)
  return tail === '' || (when !== undefined && rest === '')
}

/** "date night at 7, babysitter at 6:30": each has a name and an hour of its own. */
function twoAppointments(left: string, right: string, world: World): boolean {
  const { when, rest } = readWhen(right, world.clock)
  const named =
    /^(?!(?:at|to|in|for|with|or|not|until|by|from|on|then|but|no|i|it|make|so|instead|because|if)\b)[a-z]{3,}/i.test(
      rest,
    ) && tokens(rest).length <= 5
  return (
    named &&
    when?.time !== undefined &&
    !when.repeat &&
    !COMMAND.test(right) &&
    endsInTime(left, world) &&
    /\d|\bnoon\b|\bmidnight\b/i.test(left)
  )
}

/** A task with something to act on, beyond its time: "buy milk", not "cook tomorrow". */
const substantial = (right: string, world: World) =>
  taskFollows(right) && tokens(readWhen(right, world.clock).rest).length > 1

/** Whether what stands right of an "and" or a comma is a request of its own. */
export const startsRequest =
  (world: World) =>
  (right: string, left: string, joint: string): boolean => {
    const [r, l] = [bare(right), bare(left)]
    const asks = QUESTION.test(l)
    const command = COMMAND.test(l) && !OPENER.test(l)
    if (twoAppointments(left, r, world)) return !asks && !TOLD.test(l)
    if (/^remind me\b/i.test(r) && !asks && !command && !readTalk(l, world) && onlyReminder(r, world)) return false
    if ((COMMAND.test(r) || MAKES.test(r)) && !/^(?:that|what|when|where|who|how|which)\b/i.test(r)) {
      return (
        !(NEEDS.test(left) && AMBIGUOUS.test(r) && !MARKED.test(r)) ||
        taskFollows(r) ||
        endsInTime(left, world) ||
        NEXT_JOINT.test(joint)
      )
    }
    if (/^(?:what|what's|when|when's|how|which|who|where|how's)\b/i.test(r)) return !INDIRECT.test(left) && ASKS.test(r)
    if ((TOLD.test(l) && !NEXT_JOINT.test(joint)) || !taskFollows(r)) return false
    const next = NEXT_JOINT.test(joint)
    if (asks) return substantial(r, world)
    if (command) return next || timeIn(r, world) || CLOSED.test(l) || endsInTime(l, world)
    return next || taskFollows(l.replace(OPENER, '')) || timeIn(left, world)
  }
