export type Property = { name: string; parameters: Record<string, string>; value: string }
export type Component = { name: string; properties: Property[]; components: Component[] }

const LINE = /^([A-Z0-9-]+)((?:;[A-Z0-9-]+=(?:"[^"\u0000-\u001f]*"|[^";:,\u0000-\u001f]*))*):(.*)$/
const DATE = /^\d{8}$/
const DATE_TIME = /^\d{8}T\d{6}Z?$/
const TEXT = /^(?:[^\\;,\u0000-\u0008\u000a-\u001f\u007f]|\\[\\;,nN])*$/
const TYPES: Record<string, RegExp> = {
  DTSTAMP: /^\d{8}T\d{6}Z$/,
  CREATED: /^\d{8}T\d{6}Z$/,
  'LAST-MODIFIED': /^\d{8}T\d{6}Z$/,
  COMPLETED: /^\d{8}T\d{6}Z$/,
  DURATION: /^P(?:\d+D|T\d+H\d+M)$/,
  SUMMARY: TEXT,
  DESCRIPTION: TEXT,
  UID: TEXT,
  LOCATION: TEXT,
  STATUS: /^(?:NEEDS-ACTION|IN-PROCESS|COMPLETED|CANCELLED|CONFIRMED|TENTATIVE)$/,
  TRANSP: /^(?:OPAQUE|TRANSPARENT)$/,
  TRIGGER: /^-PT\d+M$/,
  ATTENDEE: /^mailto:[^\s@]+@[^\s@]+$/,
  PRIORITY: /^[0-9]$/,
  RRULE: /^FREQ=[A-Z]+(?:;[A-Z]+=[\w,+-]+)*$/,
}
// RFC 5545, 3.6.2: these once at most, and DUE never beside DURATION.
const ONCE = [
  'UID',
  'DTSTAMP',
  'SUMMARY',
  'DESCRIPTION',
  'STATUS',
  'PRIORITY',
  'DUE',
  'DTSTART',
  'DURATION',
  'COMPLETED',
  'DTEND',
  'LOCATION',
  'TRANSP',
  'RRULE',
  'RECURRENCE-ID',
]

/** Reads an iCalendar stream as RFC 5545 has it, and throws where it is not one. */
export function readCalendar(text: string): Component {
  if (!text.endsWith('\r\n') || /[^\r]\n|\r[^\n]/.test(text)) throw new Error('lines end with CRLF')
  const physical = text.slice(0, -2).split('\r\n')
  for (const line of physical)
    if (Buffer.byteLength(line) > 75) throw new Error(`a line of ${Buffer.byteLength(line)} octets`)
  const lines = physical
    .join('\r\n')
    .replace(/\r\n[ \t]/g, '')
    .split('\r\n')
  const root: Component = { name: '', properties: [], components: [] }
  const open = [root]
  for (const line of lines) {
    const [, name = '', parameters = '', value = ''] = LINE.exec(line) ?? fail(`no content line: ${line}`)
    const at = open.at(-1) ?? fail('nothing is open')
    if (name === 'BEGIN') {
      const made = { name: value, properties: [], components: [] }
      at.components.push(made)
      open.push(made)
    } else if (name === 'END') {
      if (at.name !== value) fail(`END:${value} in ${at.name}`)
      open.pop()
    } else at.properties.push({ name, parameters: toParameters(parameters), value })
  }
  const [calendar, ...more] = root.components
  if (open.length !== 1 || !calendar || more.length > 0 || calendar.name !== 'VCALENDAR') return fail('one VCALENDAR')
  for (const name of ['VERSION', 'PRODID']) if (valuesOf(calendar, name).length !== 1) fail(`one ${name}`)
  const zones = calendar.components.filter(({ name }) => name === 'VTIMEZONE')
  const named = zones.map((zone) => firstOf(zone, 'TZID'))
  if (new Set(named).size < named.length) fail('a VTIMEZONE twice')
  for (const component of calendar.components)
    if (component.name !== 'VTIMEZONE') {
      checkComponent(component)
      for (const { parameters } of component.properties) {
        const zone = parameters['TZID']
        if (zone !== undefined && !named.includes(zone)) fail(`no VTIMEZONE for ${zone}`)
      }
    }
  return calendar
}

function fail(problem: string): never {
  throw new Error(problem)
}

const toParameters = (text: string) =>
  Object.fromEntries(
    text
      .split(';')
      .filter(Boolean)
      .map((one) => one.split('=', 2)),
  )

const valuesOf = ({ properties }: Component, name: string) =>
  properties.filter((property) => property.name === name).map(({ value }) => value)

/** Of a component that may have it once. */
export const firstOf = (component: Component, name: string): string | undefined => valuesOf(component, name)[0]

/** A TEXT value as it was meant. */
export const plain = (value = '') => value.replace(/\\([\\;,nN])/g, (_, found) => (/n/i.test(found) ? '\n' : found))

// What is a day or a time, by its VALUE.
const TIMES = ['DUE', 'DTSTART', 'DTEND', 'EXDATE', 'RECURRENCE-ID']

function checkComponent(todo: Component): void {
  if (todo.name !== 'VTODO' && todo.name !== 'VEVENT') fail(`a ${todo.name}`)
  for (const name of ['UID', 'DTSTAMP']) if (firstOf(todo, name) === undefined) fail(`a ${todo.name} without ${name}`)
  if (todo.name === 'VEVENT' && firstOf(todo, 'DTSTART') === undefined) fail('a VEVENT without DTSTART')
  for (const name of ONCE) if (valuesOf(todo, name).length > 1) fail(`${name} twice`)
  const [due, duration, start] = ['DUE', 'DURATION', 'DTSTART'].map((name) => firstOf(todo, name))
  if (due !== undefined && duration !== undefined) fail('DUE beside DURATION')
  if (duration !== undefined && start === undefined) fail('DURATION without DTSTART')
  if (firstOf(todo, 'RRULE') !== undefined && start === undefined) fail('RRULE without DTSTART')
  for (const { name, parameters, value } of todo.properties) {
    const form = TIMES.includes(name) ? (parameters['VALUE'] === 'DATE' ? DATE : DATE_TIME) : TYPES[name]
    if (form && !form.test(value)) fail(`${name}:${value}`)
  }
}
