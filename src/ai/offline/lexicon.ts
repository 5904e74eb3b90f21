/** Fragments of regular expressions, named in braces in the rules: all bounded, none nested. */
const WEEKDAY_FORMS = [
  'mon(?:day)?',
  'tue(?:s|sday)?',
  'wed(?:s|nesday)?',
  'thu(?:r|rs|rsday)?',
  'fri(?:day)?',
  'sat(?:urday)?',
  'sun(?:day)?',
]
const MONTH_FORMS = [
  'jan(?:uary)?',
  'feb(?:ruary)?',
  'mar(?:ch)?',
  'apr(?:il)?',
  'may',
  'june?',
  'july?',
  'aug(?:ust)?',
  'sept?(?:ember)?',
  'oct(?:ober)?',
  'nov(?:ember)?',
  'dec(?:ember)?',
]
const NUMBERS: Record<string, number> = {
  zero: 0,
  a: 1,
  an: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
  eleven: 11,
  twelve: 12,
  thirteen: 13,
  fourteen: 14,
  fifteen: 15,
  sixteen: 16,
  seventeen: 17,
  eighteen: 18,
  nineteen: 19,
  twenty: 20,
  'twenty-five': 25,
  thirty: 30,
  forty: 40,
  'forty-five': 45,
  fifty: 50,
  sixty: 60,
  ninety: 90,
  couple: 2,
  few: 3,
  several: 3,
  half: 0.5,
}
const ORDINALS = [
  'first',
  'second',
  'third',
  'fourth',
  'fifth',
  'sixth',
  'seventh',
  'eighth',
  'ninth',
  'tenth',
  'eleventh',
  'twelfth',
  'thirteenth',
  'fourteenth',
  'fifteenth',
  'sixteenth',
  'seventeenth',
  'eighteenth',
  'nineteenth',
  'twentieth',
]

const FRAGMENTS: Record<string, string> = {
  wd: `(?:${WEEKDAY_FORMS.join('|')})`,
  month: `(?:${MONTH_FORMS.join('|')})`,
  nth: `(?:\\d{1,2}(?:st|nd|rd|th)|${ORDINALS.join('|')})`,
  num:
    '(?:\\d{1,4}(?:[.,]\\d{1,2})?|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|sixteen|' +
    'eighteen|twenty(?:[ -]five)?|thirty|forty(?:[ -]five)?|fifty|sixty|ninety|(?:a )?couple(?: ' +
    'of)?|(?:a )?few|several|half an?)',
  hourword: '(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)',
  unit: '(?:minutes?|mins?|hours?|hrs?|days?|weeks?|fortnights?|months?|years?|yrs?)',
  ap: '(?:am|pm|a\\.m|p\\.m|a|p)',
  part:
    '(?:early morning|late morning|morning|early afternoon|late afternoon|afternoon|early evening|' +
    'evening|night|lunch ?time|lunch|noon|midday)',
}

export const rule = (source: string, flags = 'iy'): RegExp =>
  new RegExp(
    source.replace(/\{([a-z]+)\}/g, (_, name: string) => FRAGMENTS[name] ?? ''),
    flags,
  )

export function weekdayOf(text: string): number | undefined {
  const i = ['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su'].indexOf(text.slice(0, 2).toLowerCase())
  return i < 0 ? undefined : i + 1
}

export function monthOf(text: string): number | undefined {
  const i = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'].indexOf(
    text.slice(0, 3).toLowerCase(),
  )
  return i < 0 ? undefined : i + 1
}

export function numberOf(text: string): number | undefined {
  const t = text.trim().toLowerCase().replace(',', '.')
  if (/^\d/.test(t)) return Number.parseFloat(t)
  const named = NUMBERS[t.replace(' five', '-five')]
  if (named !== undefined && t !== 'half') return named
  if (t.startsWith('half')) return 0.5
  if (t.includes('couple')) return 2
  return t.includes('few') ? 3 : undefined
}

export function ordinalOf(text: string): number | undefined {
  const t = text.trim().toLowerCase()
  if (/^\d/.test(t)) return Number.parseInt(t, 10)
  const i = ORDINALS.indexOf(t)
  return i < 0 ? undefined : i + 1
}

export type Unit = 'minutes' | 'hours' | 'days' | 'weeks' | 'months' | 'years'

export function unitOf(text: string): { unit: Unit; times: number } {
  const t = text.toLowerCase()
  if (t === 'm' || t.startsWith('mi')) return { unit: 'minutes', times: 1 }
  if (t.startsWith('h')) return { unit: 'hours', times: 1 }
  if (t.startsWith('d')) return { unit: 'days', times: 1 }
  if (t.startsWith('w')) return { unit: 'weeks', times: 1 }
  if (t.startsWith('f')) return { unit: 'weeks', times: 2 }
  return { unit: t.startsWith('mo') ? 'months' : 'years', times: 1 }
}

export const PARTS: Record<string, { hour: number; minute: number; from: number; to: number }> = {
  'early morning': { hour: 7, minute: 0, from: 5, to: 9 },
  morning: { hour: 9, minute: 0, from: 5, to: 12 },
  'late morning': { hour: 11, minute: 0, from: 10, to: 12 },
  lunch: { hour: 12, minute: 30, from: 12, to: 14 },
  noon: { hour: 12, minute: 0, from: 12, to: 13 },
  'early afternoon': { hour: 13, minute: 0, from: 12, to: 15 },
  afternoon: { hour: 14, minute: 0, from: 12, to: 18 },
  'late afternoon': { hour: 16, minute: 0, from: 15, to: 18 },
  'early evening': { hour: 17, minute: 30, from: 17, to: 19 },
  evening: { hour: 18, minute: 0, from: 17, to: 24 },
  night: { hour: 20, minute: 0, from: 18, to: 24 },
}

export function partOf(text: string): string {
  const t = text.toLowerCase().replace(/\s+/g, ' ')
  if (t.startsWith('lunch')) return 'lunch'
  return t === 'midday' ? 'noon' : t
}
