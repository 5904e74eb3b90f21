import type { Intent, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { ABILITIES } from './read-talk.ts'
import { QUESTION, SENDS, UNSUPPORTED } from './verbs.ts'
import { readWhen } from './when.ts'

const say = (text: string): Intent => ({ kind: 'say', text })
const ORDERS = /^(?:book|order|buy|get|call)\b/i
const SUM = re(
  raw`^(?:(?:what is|what's|whats|how much is|how much's|calculate|compute|work out)\s+[(]?-?\d[\d.,]*\s*%?\s*(?:[-+*x^\u00d7]|plus\b|`,
  raw`minus\b|times\b|divided by\b|multiplied by\b|of\b)|(?:how much is|calculate|compute|work out)\s+\d[\d.,]*\s*\/)\s*\d`,
)

/** What is asked of an assistant and is none of ours. */
export function unsupported(c: string, world: World): Intent | undefined {
  const asks = QUESTION.test(c) || /\?\s*$/.test(c)
  const orders = re(
    raw`^(?:translate|explain|define|google|play|turn (?:on|off)|write (?:me )?an? |tell me (?:a|an|`,
    raw`about)|sing|summari[sz]e|how)\b`,
  ).test(c)
  if (SUM.test(c)) return say("I can't do sums: I keep your tasks, reminders and notes.")
  const dated = readWhen(c, world.clock).when?.dateSaid
  if (SENDS.test(c) && !dated) {
    const draft = draftOf(c, world, false)
    const cannot = ORDERS.test(c) ? "I can't book, buy or order anything" : "I can't send messages or mail"
    return {
      kind: 'say',
      text: `${cannot} from here. Shall I add “${draft.title}” to your tasks instead?`,
      ask: { kind: 'offer', intent: { kind: 'create', draft } },
    }
  }
  if ((asks || (orders && !dated)) && UNSUPPORTED.test(c))
    return {
      kind: 'say',
      text: `I can't answer that: I run offline, without a language model or the web. ${ABILITIES}`,
    }
  return undefined
}
