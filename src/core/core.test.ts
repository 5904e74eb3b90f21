import { expect, test } from 'vitest'
import { z } from 'zod'
import { AppError, findAppError, toProblem } from './errors.ts'
import { derivedId, newId } from './id.ts'
import { createLog, describeError } from './log.ts'
import { decodeCursor, encodeCursor, toPage } from './page.ts'
import { id, instant, line, localDate, queryInt, text, timeZone } from './schema.ts'

const at = new Date('2026-11-21T12:00:00Z')

function reasonOf(work: () => void): unknown {
  try {
    return work()
  } catch (reason) {
    return reason
  }
}

test('ids sort by when they were made, also within one millisecond', () => {
  const ids = Array.from({ length: 500 }, () => newId('task', at))
  expect(new Set(ids).size).toBe(500)
  expect([...ids].sort()).toEqual(ids)
  expect(newId('task', new Date(at.getTime() + 1)) > (ids.at(-1) ?? '')).toBe(true)
  expect(ids[0]).toMatch(/^task_[0-9a-hjkmnp-tv-z]{26}$/)
})

test('an id derived from a seed is the same each time and of the same shape', () => {
  expect(derivedId('msg', at, 'a')).toBe(derivedId('msg', at, 'a'))
  expect(derivedId('msg', at, 'a')).not.toBe(derivedId('msg', at, 'b'))
  expect(derivedId('msg', at, 'a')).toMatch(/^msg_[0-9a-hjkmnp-tv-z]{26}$/)
})

test('a known error tells its code, an unknown one nothing but the request', () => {
  const wrapped = new Error('SELECT secret FROM users', { cause: new AppError('not_found', 'No such task') })
  expect(findAppError(wrapped)?.code).toBe('not_found')
  expect(toProblem(wrapped, 'req_1')).toMatchObject({
    status: 404,
    code: 'not_found',
    detail: 'No such task',
    instance: 'req_1',
  })
  const unknown = toProblem(new Error('SELECT secret FROM users'), 'req_2')
  expect(unknown).toMatchObject({ status: 500, code: 'internal', instance: 'req_2' })
  expect(JSON.stringify(unknown)).not.toContain('secret')
})

test('a log line never carries a secret, whatever field it hides in', () => {
  const lines: string[] = []
  const log = createLog({ requestId: 'req_1' }, 'info', (written) => void lines.push(written))
  const jwt = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJlc2lnbmF0dXJl'
  log.info('a', {
    password: 'hunter2',
    accessToken: jwt,
    text: 'dear diary',
    note: `got ${jwt} and rt_${'x'.repeat(43)}`,
  })
  log.error('b', { error: 'connect postgres://aurelius:hunter2@db.example/x failed', header: 'Bearer abc.def' })
  const all = lines.join('\n')
  for (const secret of ['hunter2', 'eyJ', 'dear diary', 'rt_x', 'abc.def']) expect(all).not.toContain(secret)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', event: 'a', requestId: 'req_1' })
})

test('no text begins a log line of its own, or moves the cursor of who reads it', () => {
  const lines: string[] = []
  const log = createLog({ requestId: 'req_1' }, 'info', (written) => void lines.push(written))
  const forged = '{"level":"error","event":"forged"}'
  const breaks = ['\n', '\r\n', '\r', '\v', '\f', '\b', '\u001b[2J', '\u0000']
  for (const end of breaks) log.warn('a', { operation: `x${end}${forged}`, error: `"}${end}${forged}` })
  expect(lines).toHaveLength(breaks.length)
  for (const line of lines) {
    expect(line).not.toMatch(/[\u0000-\u001f]/)
    expect(JSON.parse(line)).toMatchObject({ level: 'warn', event: 'a', requestId: 'req_1' })
  }
})

test('what a log says of a database error leaves out the statement and its values', () => {
  const failed = Object.assign(new Error("Failed query: insert … params: 'dear diary'"), {
    name: 'DrizzleQueryError',
    query: 'x',
  })
  const said = JSON.stringify(describeError(new Error('outer', { cause: failed })))
  expect(said).toContain('DrizzleQueryError')
  expect(said).not.toContain('dear diary')
})

test('a log says where a message of several lines came from, and none of its lines again', () => {
  const { stack } = describeError(new Error('outer\n    dear diary'))
  expect(stack).toMatch(/^at .*core\.test\.ts/)
  expect(stack).not.toContain('dear diary')
  const { error } = describeError(new Error('read', { cause: reasonOf(() => JSON.parse('dear diary')) }))
  expect(error).toBe('Error: read <- SyntaxError')
})

test('a cursor belongs to the list that made it, and holds what that list puts into one', () => {
  const Key = z.tuple([instant, id('task')])
  const key: z.output<typeof Key> = ['2026-11-21T00:00:00.000Z', newId('task', at)]
  const cursor = encodeCursor('tasks:due:asc', key)
  expect(decodeCursor('tasks:due:asc', cursor, Key)).toEqual(key)
  const made = [
    [key[0]],
    [...key, 'more'],
    ['2026-01-01', key[1]],
    [key[0], '\0'],
    [1e308, 1],
    [null, null],
    ['x', 'y'],
  ]
  for (const [list, given] of [
    ['tasks:due:desc', cursor],
    ['tasks:due:asc', 'not a cursor'],
    ...made.map((bad) => ['tasks:due:asc', encodeCursor('tasks:due:asc', bad)] as const),
  ] as const) {
    expect(() => decodeCursor(list, given, Key)).toThrow('cursor')
  }
})

test('a page says where the next begins only when there is one', () => {
  expect(toPage([1, 2, 3], 2, String)).toEqual({ items: [1, 2], nextCursor: '2' })
  expect(toPage([1, 2], 2, String)).toEqual({ items: [1, 2], nextCursor: null })
})

test.each([
  [text(5), ['abc', ''], ['abcdef', 'a\0b', '\ud800', 7]],
  [line(10), ['a b'], ['', '   ', 'a\nb', 'a\u007fb']],
  [
    timeZone,
    ['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires'],
    ['CST', 'cst', 'ist', 'jst', '+02:00', 'Mars/Olympus', 'SystemV/AST4', 'SystemV/PST8PDT', 'Factory', 'Europe/', ''],
  ],
  [
    queryInt(1, 100),
    ['1', '100', '050'],
    ['0', '101', '', '0x10', '1e1', ' 1', '1 ', '+1', '-1', '1.0', '1.', '1_0', '\u0661', '9'.repeat(17), 5],
  ],
  [localDate, ['2026-02-28', '2024-02-29'], ['2026-02-29', '2026-13-01', '0000-01-01', '99999-01-01']],
  [
    instant,
    ['2026-11-21T12:00:00Z', '2026-11-21T12:00:00.123+02:00', '2026-11-21T12:00:00-12:00', '2026-11-21T12:00:00+14:00'],
    [
      '2026-11-21',
      '2026-11-21T25:00:00Z',
      '1800-01-01T00:00:00Z',
      '2026-01-01T00:00:00+23:59',
      '2026-01-01T00:00:00-16:00',
      '2026-01-01T00:00:00+14:01',
    ],
  ],
])('a shared schema takes what is good and nothing else', (schema, good, bad) => {
  for (const value of good) expect(schema.safeParse(value).success, String(value)).toBe(true)
  for (const value of bad) expect(schema.safeParse(value).success, String(value)).toBe(false)
})

test('an instant is kept in UTC, a time zone by a name that every database knows', () => {
  expect(instant.parse('2026-01-01T00:00:00+13:45')).toBe('2025-12-31T10:15:00.000Z')
  expect(instant.parse('2026-01-01T00:00:00.1234Z')).toBe('2026-01-01T00:00:00.123Z')
  for (const [given, kept] of [
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['Europe/Kyiv', 'Europe/Kyiv'],
    ['europe/berlin', 'Europe/Berlin'],
    ['US/Pacific-New', 'America/Los_Angeles'],
    ['Canada/East-Saskatchewan', 'America/Regina'],
    ['US/Eastern', 'America/New_York'],
    ['EST5EDT', 'America/New_York'],
    ['Etc/GMT+5', 'Etc/GMT+5'],
    ['Etc/UTC', 'UTC'],
    ['gmt', 'UTC'],
  ] as const) {
    expect(timeZone.parse(given)).toBe(kept)
    expect(timeZone.parse(kept)).toBe(kept)
  }
})
