import { expect, test } from 'vitest'
import { calendarTools } from '#calendar'
import { makePerson, type Person } from '#test/database'
import { type Component, plain, readCalendar } from '#test/icalendar'
import { toVtimezone, zonesIn } from './icalendar-zones.ts'
import { SECTIONS } from './sections.ts'

const use = async (person: Person, name: string, input: unknown) => {
  const answer = await calendarTools.find((one) => one.name === name)?.run(person, input)
  return answer?.output as { id: string }
}

/** The person's events as their archive has them, read by the rules of RFC 5545. */
async function exported(person: Person): Promise<Component[]> {
  const section = SECTIONS.find(({ name }) => name === 'calendar_events')
  const form = section?.forms.find(({ file }) => file.endsWith('.ics'))
  const page = await section?.page(person, person.actor.userId, null)
  const lines = page?.items.map((item) => form?.write(item)).join('') ?? ''
  const zones = [...new Set(zonesIn(lines))].map(toVtimezone).join('')
  return readCalendar(`${form?.open}${lines}${zones}${form?.close}`).components
}

const lineOf = ({ properties }: Component, name: string) =>
  properties
    .filter((property) => property.name === name)
    .map(({ parameters, value }) =>
      [...Object.entries(parameters).map(([key, said]) => `${key}=${said}`), value].join(':'),
    )
const linesOf = (event: Component, ...names: string[]) => names.flatMap((name) => lineOf(event, name))

test('an event is told by its instants, whole days by the day after them, and what is in the bin not at all', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const title = 'Caf\u00e9, "tea"; \\ and \u{1f600} '.repeat(5).trim()
  await use(person, 'create_event', {
    title,
    start: { date: '2030-06-01', time: '09:00' },
    location: 'Room 4, left',
    notes: 'one\ntwo',
    reminders: [10],
    status: 'tentative',
    attendees: [{ name: 'Sam "S", Jr', address: 'sam@example.com', response: 'accepted' }],
  })
  await use(person, 'create_event', { title: 'days', start: { date: '2030-06-02' }, end: { date: '2030-06-03' } })
  const { id } = await use(person, 'create_event', { title: 'gone', start: { date: '2030-06-02' } })
  await use(person, 'delete_event', { id })
  const [timed, days, ...more] = await exported(person)
  if (!timed || !days) throw new Error('two events')
  expect(more).toEqual([])
  expect(linesOf(timed, 'SUMMARY', 'LOCATION', 'DESCRIPTION').map(plain)).toEqual([title, 'Room 4, left', 'one\ntwo'])
  expect(linesOf(timed, 'DTSTART', 'DTEND', 'STATUS', 'TRANSP', 'ATTENDEE')).toEqual([
    '20300601T070000Z',
    '20300601T080000Z',
    'TENTATIVE',
    'OPAQUE',
    'CN="Sam  S   Jr":PARTSTAT=ACCEPTED:mailto:sam@example.com',
  ])
  expect(timed.components.map((alarm) => lineOf(alarm, 'TRIGGER'))).toEqual([['-PT10M']])
  expect(linesOf(days, 'DTSTART', 'DTEND', 'TRANSP')).toEqual([
    'VALUE=DATE:20300602',
    'VALUE=DATE:20300604',
    'TRANSPARENT',
  ])
})

test('a series is told by the clock of its zone, with the days it leaves out and those that differ', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const { id } = await use(person, 'create_event', {
    title: 'Standup',
    start: { date: '2030-06-03', time: '09:00' },
    recurrence: 'FREQ=WEEKLY;UNTIL=20300624',
  })
  await use(person, 'delete_event', { id, occurrence: '2030-06-10' })
  await use(person, 'update_event', { id, occurrence: '2030-06-17', title: 'Retro' })
  await use(person, 'move_event', { id, occurrence: '2030-06-24', start: { date: '2030-06-25', time: '10:00' } })
  const [whole, retro, moved] = await exported(person)
  if (!whole || !retro || !moved) throw new Error('three components')
  expect(linesOf(whole, 'DTSTART', 'RRULE', 'EXDATE')).toEqual([
    'TZID=Europe/Berlin:20300603T090000',
    'FREQ=WEEKLY;UNTIL=20300624T215959Z',
    'TZID=Europe/Berlin:20300610T090000',
  ])
  expect(linesOf(retro, 'UID', 'SUMMARY', 'RECURRENCE-ID', 'DTSTART', 'DTEND')).toEqual([
    `${id}@aurelius`,
    'Retro',
    'TZID=Europe/Berlin:20300617T090000',
    'TZID=Europe/Berlin:20300617T090000',
    'TZID=Europe/Berlin:20300617T100000',
  ])
  expect(linesOf(moved, 'SUMMARY', 'RECURRENCE-ID', 'DTSTART')).toEqual([
    'Standup',
    'TZID=Europe/Berlin:20300624T090000',
    'TZID=Europe/Berlin:20300625T100000',
  ])
})

const WEEK_MS = 7 * 86_400_000
const toMs = (value: string) =>
  Date.parse(value.replace(/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/, '$1-$2-$3T$4:$5:$6Z'))
const toOffset = (value = '') => {
  const [, sign, h, m, sec = '0'] = /^([+-])(\d\d)(\d\d)(\d\d)?$/.exec(value) ?? []
  return (sign === '-' ? -1 : 1) * (Number(h) * 3600 + Number(m) * 60 + Number(sec)) * 1000
}

test.each(['Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kolkata', 'Africa/Casablanca', 'UTC'])(
  'the clocks of %s are told as they go, from 1990 to 2060',
  (timeZone) => {
    const lines = `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n${toVtimezone(timeZone)}END:VCALENDAR\r\n`
    const [zone] = readCalendar(lines).components
    const changes = (zone?.components ?? []).flatMap((part) => {
      const [from, to] = ['TZOFFSETFROM', 'TZOFFSETTO'].map((name) => toOffset(lineOf(part, name)[0]))
      const starts = [...lineOf(part, 'DTSTART'), ...(lineOf(part, 'RDATE')[0]?.split(',') ?? [])]
      return starts.map((start) => ({ ms: toMs(start) - (from ?? 0), to }))
    })
    const sorted = changes.toSorted((a, b) => a.ms - b.ms)
    const shown = new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'short', timeStyle: 'medium' })
    const meant = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', dateStyle: 'short', timeStyle: 'medium' })
    for (let ms = Date.UTC(1990, 0, 2); ms < Date.UTC(2059, 11, 30); ms += WEEK_MS) {
      const offset = sorted.findLast((change) => change.ms <= ms)?.to ?? Number.NaN
      expect(meant.format(ms + offset)).toBe(shown.format(ms))
    }
  },
)
