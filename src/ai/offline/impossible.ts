import { raw, reG } from './pattern.ts'
import { quote } from './say.ts'

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
// A leap year's: February 29 is in some year.
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const MONTH = raw`(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)`
const DAY_MINUTES = 1440
const CLOCK = reG(raw`\b(?:at|by|until|till|before|after|from|to) (\d{1,2}):(\d\d)(?![\d:])`)
const MONTH_DAY = reG(raw`\b${MONTH}\.? (?:the )?(3\d)(?:st|nd|rd|th)?\b(?![:.]\d| ?(?:am|pm)\b)`)
const DAY_MONTH = reG(raw`\b(3\d)(?:st|nd|rd|th)?(?: of)? ${MONTH}\b`)
const ISO_DAY = reG(raw`\b\d{4}-(\d\d)-(\d\d)\b`)

const isDay = (month: number, day: number) => day >= 1 && day <= (DAYS[month] ?? 0)
const monthOf = (name = '') => MONTHS.indexOf(name.slice(0, 3).toLowerCase())

/** The day or the hour in it that there is not: "Feb 30", "25:00". */
export function impossible(c: string): string | undefined {
  const met = [
    ...[...c.matchAll(CLOCK)].filter(([, h, m]) => Number(h) * 60 + Number(m) > DAY_MINUTES || Number(m) > 59),
    ...[...c.matchAll(MONTH_DAY)].filter(([, month, day]) => !isDay(monthOf(month), Number(day))),
    ...[...c.matchAll(DAY_MONTH)].filter(([, day, month]) => !isDay(monthOf(month), Number(day))),
    ...[...c.matchAll(ISO_DAY)].filter(([, month, day]) => !isDay(Number(month) - 1, Number(day))),
  ]
  const said = met[0]?.[0].replace(/^(?:at|by|until|till|before|after|from|to) /i, '')
  return said === undefined
    ? undefined
    : `There is no ${quote(said)}, so nothing has changed. Say it again with a day and time that exist.`
}
