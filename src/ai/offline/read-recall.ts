import type { Intent } from './intent.ts'
import { raw, re } from './pattern.ts'
import { telling } from './words.ts'

export const KIN =
  'wife|husband|partner|girlfriend|boyfriend|fianc[eé]e?|son|daughter|kids?|child|children|baby|' +
  'mom|mum|dad|mother|father|sister|brother|' +
  'boss|manager|assistant|friend|best friend|doctor|dentist|landlord|colleague|coworker|' +
  'co-worker|neighbou?r|aunt|uncle|cousin|niece|' +
  'nephew|grandma|grandpa|grandmother|grandfather|teacher|therapist|accountant|lawyer|roommate|' +
  'flatmate|team ?mate|client|in-laws|' +
  'mother-in-law|father-in-law|ex|nanny|plumber|mechanic|vet|coach|trainer|dog|cat'
const THING =
  '(?:password|passcode|passphrase|code|combo|combination|pin|number|address|birthday|bday|' +
  'birthdate|anniversary|name|names|email|' +
  'phone|blood type|size|shoe size|account|username|login|iban|plate|allergies|allergy|favou?rite [\\w ]{2,20})'

const ABOUT_ME = [
  /^(?:what|everything|all|list|show|tell me)\b.*\b(?:you )?(?:know|remember) about (?:me|myself)\b/i,
  re(
    raw`^(?:what|everything|all|list|show|tell me)\b.*\byou(?:'ve| have)? (?:learned|learnt|`,
    raw`remembered|got|saved|stored)(?: about me)?$`,
  ),
  re(
    raw`^(?:show|list|see|view)(?: me)?(?: all)?(?: my| your| the)? memor(?:y|ies)$|^my memories$|`,
    raw`^what(?:'s| is) in your memory`,
  ),
  /^(?:who am i|do you know (?:anything about )?me|what do you (?:know|remember)(?: so far)?)$/i,
]

/** `always`: asks the memory whatever it names; the others only where no task can be meant. */
type Form = { re: RegExp; always?: true; person?: true; asked?: true }
const FORMS: Form[] = [
  {
    re: re(
      raw`^(?:what|anything|everything) (?:do|did|else do|can)? ?(?:you|u) (?:know|remember|recall|`,
      raw`tell me|have)(?: to you)? (?:about|on|of) (.+)$`,
    ),
    always: true,
  },
  {
    re: re(
      raw`^(?:what|who|when|where|do|did|have|is|tell)\b.*\byou (?:know|remember|recall|have|noted|`,
      raw`wrote down)\b.*\b(?:about|on|of|regarding) (.+)$`,
    ),
    always: true,
  },
  {
    re: re(
      raw`^(?:do|can) you (?:remember|recall|know) (?:what |when |where |who |how |anything about |`,
      raw`something about )?(.+)$`,
    ),
    always: true,
  },
  { re: /^(?:tell me|remind me) (?:about |what you (?:know|remember) about )(.+)$/i },
  { re: /^what (?:did|have) i (?:say|said|tell you|told you|mention(?:ed)?) about (.+)$/i, always: true },
  {
    re: re(
      raw`^(?:remind me|tell me|do you know|let me know) (?:what|who|when|where) (?:is |was |are |`,
      raw`'s )?(?:the |my )?(.+?)(?: is| was| are)?$`,
    ),
  },
  { re: new RegExp(`^(?:tell|give|show|send) me (?:my |the )?(.{0,30}\\b${THING})$`, 'i') },
  { re: /^who(?:'s| is| are| was) (?:my )?(.+)$/i, person: true },
  { re: /^what(?:'s| is| are| was| were|re) (?:my|our) (.+?)(?: again)?$/i },
  { re: new RegExp(`^what(?:'s| is| are| was) (?:the |my )?(.{2,30}\\b${THING})(?: again)?$`, 'i') },
  { re: new RegExp(`^(?:the |my )?(.{2,30}\\b${THING})$`, 'i'), asked: true },
  {
    re: re(
      raw`^what(?:'s| is| are| was) (?:the |my )?((?:wifi|wi-fi|door|alarm|gate|locker|`,
      raw`garage)(?: \w+){0,2})(?: again)?$`,
    ),
  },
  { re: /^where (?:do|did|does|should) (?:i|we|my \w+) (?:usually |always )?(?!need|have|go\b|start)(\w.*)$/i },
  { re: /^when(?:'s| is| was) (.{2,40}\b(?:birthday|anniversary|bday))(?: again)?$/i },
  {
    re: re(
      raw`^where (?:did i (?:park|put|leave|hide)|do i (?:keep|live|work)|does \w+ (?:live|work)|`,
      raw`is my (?:passport|car|key|keys|wallet)) ?(.*)$`,
    ),
  },
  {
    re: re(
      raw`^what (?:does|do) (?!i have|i need|i got|i do)(.+?) (?:like|love|hate|eat|drink|want|prefer|`,
      raw`do for (?:a )?living)$`,
    ),
  },
  { re: /^(?:do|does|am|is|did) (?:i|we|my \w+|\w+) (?:like|love|hate|prefer|enjoy|eat|drink|allergic to) (.+)$/i },
  { re: /^(?:which|what) (.{2,40}) do i (?:like|prefer|use|drive|have|take|want)$/i },
]
const NOT_MEMORY = re(
  raw`\b(?:tasks?|todos?|to-dos?|lists?|day|week|schedule|agenda|plate|priorit(?:y|ies)|`,
  raw`deadlines?|projects?|settings|preferences|time ?zone|quiet hours|working hours|reminders?|`,
  raw`stats|streak|next|progress|calendar|today|tomorrow|due|overdue|plans?|morning|afternoon|`,
  raw`evening|month|weekend|time|look|show)\b|^(?:my )?name$`,
)

export function readRecall(said: string): Intent | undefined {
  const c = said.replace(/[?!.]+$/, '').trim()
  if (/\b(?:time is it|time it is|the time)\b/i.test(c)) return undefined
  if (ABOUT_ME.some((re) => re.test(c))) return { kind: 'recall' }
  for (const { re, always, person, asked: question } of FORMS) {
    const m = question && !/\?\s*$/.test(said) ? null : re.exec(c)
    if (!m) continue
    const what = (m[1] || m[0]).trim()
    if (/^me$/i.test(what)) return { kind: 'recall' }
    if (!always && NOT_MEMORY.test(what)) continue
    if (person && !new RegExp(`^(?:${KIN})\\b|^[\\p{L}]+$`, 'iu').test(what)) continue
    const trait = /^(?:anything|something|any foods?)$/i.test(what) ? /\ballergic\b/i.exec(c)?.[0] : undefined
    if (trait) return { kind: 'recall', text: trait.toLowerCase() }
    const asked = what.replace(/\b(?:when|what|where|who|how|did|said|told|park|put|keep|is|does|again)\b/gi, ' ')
    return { kind: 'recall', text: telling(asked).join(' ') || what }
  }
  return undefined
}
