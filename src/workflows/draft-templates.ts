import { numberIn } from './draft-triggers.ts'

type Known = { key: string; on: RegExp; days?: RegExp; most?: RegExp }

const COUNT = '(?:\\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)'
const counted = (after: string) => new RegExp(`\\b(${COUNT}) ${after}`, 'i')

/** Which template is meant, the most particular first. */
const KNOWN: readonly Known[] = [
  {
    key: 'weekly_planning',
    on: /\bplan(?:s|ning)? (?:out )?(?:for )?(?:the |my )?(?:next |coming |upcoming )?week\b|\bweek(?:ly)?(?: ahead)? plan(?:ning)?\b|\bask me to plan\b/i,
  },
  {
    key: 'monthly_review',
    on: /\bmonth(?:ly)? (?:review|retrospective|look[- ]back)\b|\b(?:review|look back (?:at|on)) (?:the |my )?(?:last |past )?month\b/i,
  },
  {
    key: 'evening_review',
    on: /\b(?:evening|end[- ]of[- ](?:the[- ])?day) (?:review|summary|wrap)|\bwhat (?:did i|i|i've|i have|have i) (?:(?:got|have|'ve) )?(?:done|finished|completed|finish)\b|\b(?:review|wrap up|summari[sz]e) (?:the|my) day\b|\bday(?:'s)? (?:review|wrap[- ]?up)\b/i,
  },
  {
    key: 'bill_due',
    on: /\bbills?\b.*\bdue\b|\bdue bills?\b|\b(?:my|about|upcoming) bills?\b/i,
    days: counted('days?'),
  },
  { key: 'birthday', on: /\bbirthdays?\b/i, days: counted('days?') },
  { key: 'habit_nudge', on: /\bhabits?\b/i },
  {
    key: 'streak_keeper',
    on: /\bstreak\b|\b(?:nothing (?:is |has been )?|not )done (?:anything )?(?:yet )?(?:today)?/i,
  },
  { key: 'focus_time_guard', on: /\bfocus (?:time|block|hours?)\b|\bdeep work\b/i },
  { key: 'meeting_preparation', on: /\bprep(?:are|aration)?\b.*\bmeetings?\b|\bmeetings? prep/i },
  { key: 'standing_meeting_notes', on: /\b(?:standing|recurring) meetings?\b|\bmeeting notes\b/i },
  { key: 'travel_day', on: /\b(?:travel|trips?|flights?)\b/i },
  { key: 'waiting_for', on: /\bwaiting[- ](?:for|on)\b/i, days: counted('days?') },
  {
    key: 'deadline_tomorrow',
    on: /\bdue (?:the next day|tomorrow)\b|\bdeadlines? tomorrow\b|\btomorrow's (?:deadlines|tasks|due)/i,
  },
  { key: 'undated_sweep', on: /\bwithout (?:a |any )?(?:due )?dates?\b|\bundated\b/i },
  {
    key: 'big_task_split',
    on: /\b(?:split|break (?:up|down)|breaking (?:up|down)|splitting)\b.*\btasks?\b|\bbig tasks?\b/i,
  },
  { key: 'done_and_next', on: /\bwhat(?:'s| is|) (?:to do )?next\b|\bnext (?:task|thing)\b/i },
  {
    key: 'overdue_triage',
    on: /\b(?:overdue|late)\b/i,
    days: counted('days?'),
    most: counted('(?:or more )?(?:overdue|late) tasks'),
  },
  {
    key: 'morning_brief',
    on: /\b(?:morning )?brief(?:ing)?\b|\bwhat(?:'s| is| are| do i have| i have)?\b.*\b(?:due|on (?:my )?(?:plate|calendar|agenda|schedule)|planned|coming up|today|to do)\b|\b(?:rundown|overview|agenda|summary) (?:of|for) (?:the|my|to)\s?day|\b(?:my|today's) (?:day|agenda|tasks|meetings|schedule)\b|\bwhat(?:'s| is) (?:on|due)\b/i,
  },
  { key: 'unanswered_mail', on: /\b(?:unanswered|not (?:been )?answered|no (?:reply|answer))\b/i },
  { key: 'inbox_zero_sweep', on: /\b(?:inbox|e-?mails?|mails?)\b/i },
  { key: 'receipts_filing', on: /\breceipts?\b/i },
]

/** A literal request: it is said as it is, whatever it is about. */
const LITERAL = /^(?:please )?(?:remind|nudge|ping|alert|notify|tell) me to |^(?:please )?(?:create|add|make|put)\b/i

export type Meant = { key: string; params: Record<string, number> }

/** The template that a sentence without its time asks for, with what it says of its numbers. */
export function templateFor(text: string): Meant | null {
  const isLiteral = LITERAL.test(text)
  for (const { key, on, days, most } of KNOWN) {
    if (!on.test(text) || (isLiteral && key !== 'weekly_planning')) continue
    const [late, many] = [days?.exec(text)?.[1], most?.exec(text)?.[1]]
    const [daysSaid, mostSaid] = [late ? numberIn(late) : null, many ? numberIn(many) : null]
    return {
      key,
      params: { ...(daysSaid !== null && { days: daysSaid }), ...(mostSaid !== null && { most: mostSaid }) },
    }
  }
  return null
}

const FILLER = new Set(
  (
    'a about add also always am an and any anything are as ask at be before brief briefing by can create daily day days do each every for from ' +
    'get give has have how i if in is it just keep know let list make me month monthly my need new next nothing notify of on one only or out please ' +
    'put remind review send should show so some suggest summary sum summarise summarize tell that the them then there these this to today tomorrow ' +
    'up warn want week weekly what when whenever which will with would year you your morning evening afternoon night noon am pm monday tuesday ' +
    'wednesday thursday friday saturday sunday weekday weekdays weekend weekends oclock hour hours minute minutes more than least late overdue due'
  ).split(' '),
)
const wordsIn = (text: string) => text.toLowerCase().match(/[a-z][a-z'-]*/g) ?? []
const stem = (word: string) => word.replace(/(?:ies|y|ings?|ed|es|s|e)$/, '')

/** The parts of a sentence of which a template says and does nothing: they are told, not dropped. */
export function leftOver(text: string, { key }: Meant, says: string): string[] {
  const on = KNOWN.find((one) => one.key === key)?.on
  const known = new Set(wordsIn(says).map(stem))
  const parts = text.split(/\s*(?:[,;:]|\b(?:and|then|but|plus)\b)\s*/i)
  return parts.filter((part) => {
    const words = wordsIn(part).filter((word) => !FILLER.has(word))
    return !on?.test(part) && words.length > 0 && words.every((word) => !known.has(stem(word)))
  })
}
