import type { Item } from './sections.ts'

// RFC 5545: lines of at most 75 octets, each after the first of a long one with a space before it.
const MAX_OCTETS = 75
const STATUS: Record<string, string> = {
  pending: 'NEEDS-ACTION',
  in_progress: 'IN-PROCESS',
  completed: 'COMPLETED',
  cancelled: 'CANCELLED',
}
const PRIORITY: Record<string, number> = { urgent: 1, high: 3, medium: 5, low: 9 }

export const CALENDAR = {
  open: 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Aurelius//Export 1//EN\r\nCALSCALE:GREGORIAN\r\n',
  close: 'END:VCALENDAR\r\n',
}

export const escaped = (text: string) =>
  text
    .replace(/[\\;,]/g, '\\$&')
    .replace(/\r\n|\r|\n/g, '\\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')

function folded(line: string): string {
  let out = ''
  let octets = 0
  for (const letter of line) {
    const size = new TextEncoder().encode(letter).length
    if (octets + size > MAX_OCTETS) {
      out += '\r\n '
      octets = 1
    }
    out += letter
    octets += size
  }
  return `${out}\r\n`
}

export const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)
/** `20261123T090000Z`, of an instant in UTC. */
export const utc = (value: string) => `${new Date(value).toISOString().replace(/[-:]|\.\d+/g, '')}`
export const digits = (value: string) => value.replace(/[-:]/g, '')

/** `BEGIN` to `END`, without the lines that say nothing; `within` is what else is inside. */
export function component(name: string, lines: [string, string | null][], within = ''): string {
  const body = lines.flatMap(([property, value]) => (value === null ? [] : [folded(`${property}:${value}`)])).join('')
  return `BEGIN:${name}\r\n${body}${within}END:${name}\r\n`
}

/**
 * A task with a due date as a VTODO; of others nothing. One that comes again is told by its wall clock, from the start
 * of its day, as its rule means it; any other by its instant, or its day.
 */
export function toVtodo(task: Item): string {
  const dueDate = text(task['dueDate'])
  if (dueDate === null || text(task['deletedAt'])) return ''
  const labels = Array.isArray(task['labels']) ? task['labels'].map((label) => escaped(String(label))) : []
  const lines: [string, string | null][] = [
    ['UID', `${String(task['id'])}@aurelius`],
    ['DTSTAMP', utc(String(task['updatedAt']))],
    ['CREATED', utc(String(task['createdAt']))],
    ['LAST-MODIFIED', utc(String(task['updatedAt']))],
    ['SUMMARY', escaped(String(task['title']))],
    ['DESCRIPTION', text(task['notes']) && escaped(String(task['notes']))],
    ['STATUS', STATUS[String(task['status'])] ?? null],
    ['PRIORITY', String(PRIORITY[String(task['priority'])] ?? 0)],
    ['CATEGORIES', labels.length > 0 ? labels.join(',') : null],
    ['RELATED-TO', text(task['parentId']) && `${String(task['parentId'])}@aurelius`],
    ['COMPLETED', text(task['completedAt']) && utc(String(task['completedAt']))],
    ...times(task, dueDate),
  ]
  return component('VTODO', lines)
}

function times(task: Item, dueDate: string): [string, string | null][] {
  const time = text(task['dueTime'])
  const rule = text(task['recurrence'])
  if (rule === null) {
    return time === null ? [['DUE;VALUE=DATE', digits(dueDate)]] : [['DUE', utc(String(task['dueAt']))]]
  }
  if (time === null) {
    return [
      ['DTSTART;VALUE=DATE', digits(dueDate)],
      ['DURATION', 'P1D'],
      ['RRULE', rule],
    ]
  }
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return [
    ['DTSTART', `${digits(dueDate)}T000000`],
    ['DURATION', `PT${hours}H${minutes}M`],
    ['RRULE', rule],
  ]
}
