import { fitsRule } from '#core'
import { refusal } from './problem.ts'

const DAY_MS = 86_400_000
const WEEKDAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']

const dayBefore = (day: string) => new Date(Date.parse(day) - DAY_MS).toISOString().slice(0, 10)
const withoutEnd = (rule: string) => rule.split(';').filter((part) => !/^(?:COUNT|UNTIL)=/.test(part))

/** The same rule, over before this day. */
export function endedBefore(rule: string, day: string): string {
  return [...withoutEnd(rule), `UNTIL=${dayBefore(day).replaceAll('-', '')}`].join(';')
}

/** The same rule from this day on; `passedBy` counts its days up to another. */
export function continuedFrom(rule: string, day: string, passedBy: (last: string) => number): string {
  const [, count] = /(?:^|;)COUNT=(\d+)/.exec(rule) ?? []
  return count === undefined
    ? rule
    : [...withoutEnd(rule), `COUNT=${Number(count) - passedBy(dayBefore(day))}`].join(';')
}

// As a rule would name it.
const namesOf = (day: string) => {
  const at = new Date(day)
  return [`BYDAY=${WEEKDAYS[at.getUTCDay()]}`, `BYMONTHDAY=${at.getUTCDate()}`, `BYMONTH=${at.getUTCMonth() + 1}`]
}

/**
 * The rule of a series whose first day moves: the same where it falls on the new day too. One that names no more than the
 * weekday, the day of the month or the month of the old names those of the new. Of any other nobody can tell.
 */
export function movedRule(rule: string, from: string, to: string): string {
  if (from === to || fitsRule(rule, to)) return rule
  const [was, is] = [namesOf(from), namesOf(to)]
  const moved = rule.split(';').map((part) => {
    const name = is[was.indexOf(part)]
    if (name === undefined && part.startsWith('BY')) throw refusal('ruled')
    return name ?? part
  })
  return moved.join(';')
}
