import type { Intent, World } from './intent.ts'
import { onlyWhen } from './only-when.ts'
import { raw, re } from './pattern.ts'
import { dateText, plural } from './say.ts'
import { sentence } from './words.ts'
import { placeOfZone, zoneOf } from './zones.ts'

type Made = Intent | undefined

const ASKING = re(
  raw`^(?:do you know|can you tell me|tell me|let me know|i (?:want|need) to know|any idea|`,
  raw`do you have|have you got|got|i need|give me|check)\s+(?=what|the|how|time|current)`,
)

const TIME_OF = re(
  raw`^(?:what(?:'s| is)?|how late is it)?\s*(?:the )?(?:current )?(?:local )?(?:exact )?(?:time|`,
  raw`hour|(?<=late is it))(?: is it| it is| is)?(?: right)?(?: now)?(?: over)?(?:\s*(?:in|at|for|`,
  raw`over in)\s+(.{2,40}?))?(?: right now| now| currently| there| please)?$|^what (?:hour|`,
  raw`o'clock) is it(?: in (.+?))?$|^time (?:in|at) (.{2,40}?)$`,
)

/** "berlin time?" names a place only if it is one. */
function placeTime(c: string): RegExpExecArray | null {
  const m = /^(?:what(?:'s| is) )?(.{2,30}?)(?:'s)? time(?: now)?$/i.exec(c)
  return m?.[1] && zoneOf(m[1]) ? m : null
}

export function readTime(c: string, world: World): Made {
  const { clock } = world
  const plain = c
    .replace(/[?.!]+$/, '')
    .replace(ASKING, '')
    .trim()
  const m = TIME_OF.exec(plain) ?? placeTime(plain)
  const place = m ? (m[1] ?? m[2] ?? m[3]) : undefined
  if (m && (place || /\bit\b|\bnow\b|the time|current|^time$|^time please$/i.test(plain))) {
    const named = place ? [zoneOf(place) ? place : place.split(/\s*(?:,|&|\band\b)\s*/i)].flat() : []
    const unknown = named.find((name) => !zoneOf(name))
    if (unknown) return { kind: 'say', text: `I don't know the time zone of “${unknown}”. Try the nearest big city.` }
    return { kind: 'time', places: named.map((name) => ({ zone: zoneOf(name) ?? 'UTC', name: placeName(name) })) }
  }
  const today = re(
    raw`^(?:what(?:'s| is)?|tell me)\s*(?:the |today's )?(?:(?:day|date)(?: is (?:it|today|this))?|`,
    raw`today's (?:date|day)|today|day of the week(?: is it)?)(?: today| now)?\??$|`,
    raw`^(?:what's the date|today's date|date today|what day)(?: today)?\??$`,
  )
  if (today.test(c) || /^is (?:it|today) (?:a )?(?:mon|tue|wed|thu|fri|sat|sun|the \d)\w*(?: today)?\??$/i.test(c))
    return { kind: 'say', text: `Today is ${dateText(clock.today, clock)} ${clock.today.year}.` }
  return dayQuestion(c, world)
}

const placeName = (name: string) =>
  name.length <= 3 ? name.toUpperCase() : sentence(placeOfZone(zoneOf(name) ?? name))

/** "what date is next friday", "how many days until christmas": arithmetic, no tool. */
function dayQuestion(c: string, world: World): Made {
  const { clock } = world
  const which = re(
    raw`^what (?:date|day|day of the week) (?:is|will be|does|`,
    raw`falls?)(?: it)?(?: on)? (.+?)(?: fall on| this year)?\??$`,
  ).exec(c)
  const that = which?.[1] ? onlyWhen(`on ${which[1]}`, world) : undefined
  if (that?.date)
    return { kind: 'say', text: `${sentence(which?.[1] ?? '')} is ${dateText(that.date, clock)} ${that.date.year}.` }
  const until = re(
    raw`^how (?:many (days|weeks)|long)(?: is it| are left| left| to go| do i have)? (?:until|till|`,
    raw`til|to|before|is it (?:until|to|till)) (?:the )?(.+?)\??$`,
  ).exec(c)
  const goal = until?.[2] ? onlyWhen(`on ${until[2]}`, world) : undefined
  if (!goal?.date) return undefined
  const days = clock.today.until(goal.date, { largestUnit: 'days' }).days
  const weeks =
    until?.[1]?.toLowerCase() === 'weeks' && days >= 7
      ? ` (${plural(Math.floor(days / 7), 'week')}${days % 7 ? ` and ${plural(days % 7, 'day')}` : ''})`
      : ''
  return { kind: 'say', text: `${plural(days, 'day')}${weeks} until ${dateText(goal.date, clock)}.` }
}
