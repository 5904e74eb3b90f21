import { expect, test } from 'vitest'
import { cpuMs } from '#test/cpu'
import { owedRuns } from './owed.ts'
import type { When } from './schema.ts'

const HOURLY: When = { kind: 'cron', cron: '0 * * * *', timeZone: 'UTC' }
const at = (time: string) => new Date(`2031-03-10T${time}Z`)
const told = (owed: ReturnType<typeof owedRuns>) =>
  owed.map((run) => `${run.at.toISOString().slice(11, 16)} ${run.status} ${run.missed}`)

test.each(['skip', 'once', 'all'] as const)('what is in time is one run: %s', (policy) => {
  expect(told(owedRuns(HOURLY, policy, at('09:00:00'), at('09:00:02')))).toEqual(['09:00 waiting 0'])
  // A moment early, as alarms may be.
  expect(told(owedRuns(HOURLY, policy, at('09:00:00'), at('08:59:59.200')))).toEqual(['09:00 waiting 0'])
})

test.each([
  ['skip', ['14:00 missed 5']],
  ['once', ['14:00 waiting 5']],
  ['all', [9, 10, 11, 12, 13, 14].map((hour) => `${String(hour).padStart(2, '0')}:00 waiting 0`)],
] as const)('after six hours away: %s', (policy, runs) => {
  expect(told(owedRuns(HOURLY, policy, at('09:00:00'), at('14:40:00')))).toEqual(runs)
})

test('one that is in time runs whatever was missed before it', () => {
  expect(told(owedRuns(HOURLY, 'skip', at('09:00:00'), at('14:04:00')))).toEqual(['14:00 waiting 5'])
})

test('of years of minutes the last hundred are owed, in no time', () => {
  const when: When = { kind: 'every', minutes: 1, from: '2020-01-01T00:00:00.000Z', timeZone: 'UTC' }
  const started = cpuMs()
  const owed = owedRuns(when, 'all', new Date('2020-01-01T00:00:00Z'), at('09:00:00'))
  expect(owed).toHaveLength(100)
  expect(owed.at(-1)?.at).toEqual(at('09:00:00'))
  expect(owed[0]?.at).toEqual(at('07:21:00'))
  expect(cpuMs() - started).toBeLessThan(1000)
})

test('a rare one that was missed for years is owed for each of them', () => {
  const when: When = { kind: 'cron', cron: '0 12 29 2 *', timeZone: 'UTC' }
  const owed = owedRuns(when, 'all', new Date('2024-02-29T12:00:00Z'), at('00:00:00'))
  expect(owed.map((run) => run.at.getUTCFullYear())).toEqual([2024, 2028])
})

test('what a change of the zone has moved away is not owed', () => {
  const when: When = { kind: 'at', at: { date: '2031-03-11', time: '09:00' }, timeZone: 'UTC' }
  expect(owedRuns(when, 'once', at('09:00:00'), at('09:00:01'))).toEqual([])
})
