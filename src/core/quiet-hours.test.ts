import { expect, test } from 'vitest'
import { quietUntil } from './quiet-hours.ts'

const NIGHT = { from: '22:00', to: '07:00' }
const BERLIN = 'Europe/Berlin'
const until = (at: string, quiet = NIGHT, zone = BERLIN) => quietUntil(quiet, zone, new Date(at))?.toISOString() ?? null

test.each([
  ['2026-01-10T20:59:00Z', null],
  ['2026-01-10T21:00:00Z', '2026-01-11T06:00:00.000Z'],
  ['2026-01-11T02:00:00Z', '2026-01-11T06:00:00.000Z'],
  ['2026-01-11T06:00:00Z', null],
])('a night from ten to seven: at %s until %s', (at, end) => {
  expect(until(at)).toBe(end)
})

test('it ends by the clock on the wall, in a night that is an hour shorter and in one that is longer', () => {
  expect(until('2026-03-28T21:30:00Z')).toBe('2026-03-29T05:00:00.000Z')
  expect(until('2026-10-24T20:30:00Z')).toBe('2026-10-25T06:00:00.000Z')
})

test('an end that the day leaves out comes after the jump; of two, the next', () => {
  const short = { from: '01:00', to: '02:30' }
  expect(until('2026-03-29T00:15:00Z', short)).toBe('2026-03-29T01:30:00.000Z')
  expect(until('2026-10-25T00:15:00Z', short)).toBe('2026-10-25T00:30:00.000Z')
  // Half past two is over, and then it is a quarter past two again.
  expect(until('2026-10-25T00:45:00Z', short)).toBeNull()
  expect(until('2026-10-25T01:15:00Z', short)).toBe('2026-10-25T01:30:00.000Z')
})

test('hours of one day, none at all, and a zone of its own', () => {
  expect(until('2026-01-10T12:00:00Z', { from: '12:00', to: '14:00' }, 'UTC')).toBe('2026-01-10T14:00:00.000Z')
  expect(until('2026-01-10T14:00:00Z', { from: '12:00', to: '14:00' }, 'UTC')).toBeNull()
  expect(until('2026-01-10T12:00:00Z', { from: '12:00', to: '12:00' }, 'UTC')).toBeNull()
  expect(until('2026-01-10T17:00:00Z', NIGHT, 'Asia/Kathmandu')).toBe('2026-01-11T01:15:00.000Z')
  expect(quietUntil(null, 'UTC', new Date())).toBeNull()
})
