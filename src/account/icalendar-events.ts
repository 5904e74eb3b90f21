import { createClock } from '#core'
import { component, digits, escaped, text, utc } from './icalendar.ts'
import type { Item } from './sections.ts'

const DAY_MS = 86_400_000
const STATUS: Record<string, string> = { confirmed: 'CONFIRMED', tentative: 'TENTATIVE', cancelled: 'CANCELLED' }
const TRANSPARENCY: Record<string, string> = { busy: 'OPAQUE', free: 'TRANSPARENT' }
const PARTICIPATION: Record<string, string> = {
  needs_action: 'NEEDS-ACTION',
  accepted: 'ACCEPTED',
  tentative: 'TENTATIVE',
  declined: 'DECLINED',
}

type Line = [string, string | null]
type Moment = { date: string; time: string | null; zone: string }

const isItem = (value: unknown): value is Item => typeof value === 'object' && value !== null && !Array.isArray(value)
const dayAfter = (date: string) => new Date(Date.parse(date) + DAY_MS).toISOString().slice(0, 10)
const seconds = (time: string) => (time.length === 5 ? `${time}:00` : time)

/** A day, or a time: an instant where it happens once, else a wall clock with the name IANA gives its zone. */
function moment(name: string, { date, time, zone }: Moment, isSeries: boolean): Line {
  if (time === null) return [`${name};VALUE=DATE`, digits(date)]
  if (isSeries) return [`${name};TZID=${zone}`, `${digits(date)}T${digits(seconds(time))}`]
  return [name, utc(new Date(createClock().ms({ date, time, timeZone: zone })).toISOString())]
}

// Of whole days ours is the last one, theirs the day after.
const endOf = (end: Moment): Moment => (end.time === null ? { ...end, date: dayAfter(end.date) } : end)

// UNTIL is of the kind of DTSTART, and an instant where that is a time (RFC 5545, 3.3.10).
function ruleOf(rule: string, { time, zone }: Moment): string {
  return rule.replace(/UNTIL=(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?/, (whole, y, m, d, hh, mm, ss, zulu) => {
    if (time === null) return `UNTIL=${y}${m}${d}`
    if (zulu === 'Z') return whole
    const wall = hh === undefined ? '23:59:59' : `${hh}:${mm}:${ss}`
    return `UNTIL=${utc(new Date(createClock().ms({ date: `${y}-${m}-${d}`, time: wall, timeZone: zone })).toISOString())}`
  })
}

function attendee(value: unknown): Line[] {
  if (!isItem(value)) return []
  const name = text(value['name'])?.replace(/[",:;]/g, ' ')
  const parameters = [
    name ? `CN="${name}"` : '',
    `PARTSTAT=${PARTICIPATION[String(value['response'])] ?? 'NEEDS-ACTION'}`,
  ]
  return [[['ATTENDEE', ...parameters.filter(Boolean)].join(';'), `mailto:${String(value['address'])}`]]
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const momentOf = (item: Item, name: 'start' | 'end'): Moment => ({
  date: String(item[`${name}Date`]),
  time: text(item[`${name}Time`]),
  zone: String(item[`${name}Zone`]),
})

const words = (item: Item): Line[] => [
  ['SUMMARY', escaped(String(item['title']))],
  ['DESCRIPTION', text(item['notes']) && escaped(String(item['notes']))],
  ['LOCATION', text(item['location']) && escaped(String(item['location']))],
  ['STATUS', STATUS[String(item['status'])] ?? null],
  ['TRANSP', TRANSPARENCY[String(item['transparency'])] ?? null],
]

/** An event as a VEVENT, with one more for each occurrence that differs; of what is in the bin nothing. */
export function toVevents(event: Item): string {
  if (text(event['deletedAt'])) return ''
  const [start, end] = [momentOf(event, 'start'), momentOf(event, 'end')]
  const rule = text(event['recurrence'])
  const isSeries = rule !== null
  const exceptions = isSeries && isItem(event['exceptions']) ? Object.entries(event['exceptions']) : []
  const dayOf = (name: string, date: string) => moment(name, { ...start, date }, isSeries)
  const lost = exceptions.filter(([, one]) => isItem(one) && one['isCancelled'] === true)
  const stamps: Line[] = [
    ['UID', `${String(event['id'])}@aurelius`],
    ['DTSTAMP', utc(String(event['updatedAt']))],
    ['CREATED', utc(String(event['createdAt']))],
    ['LAST-MODIFIED', utc(String(event['updatedAt']))],
  ]
  const alarms = listOf(event['reminders']).map((minutes) =>
    component('VALARM', [
      ['ACTION', 'DISPLAY'],
      ['DESCRIPTION', escaped(String(event['title']))],
      ['TRIGGER', `-PT${Number(minutes)}M`],
    ]),
  )
  const whole = component(
    'VEVENT',
    [
      ...stamps,
      ...words(event),
      moment('DTSTART', start, isSeries),
      moment('DTEND', endOf(end), isSeries),
      ['RRULE', rule && ruleOf(rule, start)],
      ...lost.map(([date]) => dayOf('EXDATE', date)),
      ...listOf(event['attendees']).flatMap(attendee),
    ],
    alarms.join(''),
  )
  const different = exceptions.flatMap(([date, one]) => {
    if (!isItem(one) || one['isCancelled'] === true) return []
    const [from, to] = occurrenceOf({ start, end }, date, one)
    const lines: Line[] = [
      dayOf('RECURRENCE-ID', date),
      moment('DTSTART', from, true),
      moment('DTEND', endOf(to), true),
    ]
    return component('VEVENT', [...stamps, ...words({ ...event, ...one }), ...lines], alarms.join(''))
  })
  return whole + different.join('')
}

function occurrenceOf({ start, end }: { start: Moment; end: Moment }, date: string, one: Item): [Moment, Moment] {
  const days = Date.parse(date) - Date.parse(start.date)
  const shifted = (at: Moment) => ({ ...at, date: new Date(Date.parse(at.date) + days).toISOString().slice(0, 10) })
  const said = (value: unknown, at: Moment): Moment =>
    isItem(value)
      ? { date: String(value['date']), time: text(value['time']), zone: text(value['timeZone']) ?? at.zone }
      : shifted(at)
  return [said(one['start'], start), said(one['end'], end)]
}
