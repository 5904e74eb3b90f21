import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cpuMs } from '#test/cpu'
import { nextOccurrence, recurrenceProblem } from './recurrence.ts'

const LONG_DUE = { date: '1900-01-02', time: '09:00', timeZone: 'Europe/Berlin' }
const NOW = new Date('2026-11-21T12:00:00Z')

const many = (least: number, most: number) => fc.integer({ min: least, max: most }).filter((n) => n !== 0)
const part = (name: string, item: fc.Arbitrary<string | number>, most = 53) =>
  fc.option(
    fc.uniqueArray(item, { minLength: 1, maxLength: most }).map((all) => `;${name}=${all.join(',')}`),
    { nil: '' },
  )
const adversarial = fc
  .tuple(
    fc.constantFrom('FREQ=DAILY', 'FREQ=WEEKLY', 'FREQ=MONTHLY', 'FREQ=YEARLY'),
    fc.constantFrom('', ';INTERVAL=2', ';INTERVAL=7', ';INTERVAL=999'),
    fc.constantFrom('', ';COUNT=999', ';UNTIL=99991229T000000Z'),
    part('BYMONTH', many(1, 12), 2),
    part('BYMONTHDAY', many(-31, 31), 62),
    part('BYYEARDAY', many(-366, 366), 20),
    part('BYWEEKNO', many(-53, 53)),
    part('BYDAY', fc.constantFrom('MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU', '1MO', '-1SU', '5FR', '53TH'), 7),
    part('BYSETPOS', many(-366, 366), 20),
  )
  .map((all) => all.join(''))

test.each([
  `FREQ=YEARLY;COUNT=999;BYWEEKNO=${Array.from({ length: 53 }, (_, i) => i + 1)};BYDAY=MO,TU,WE`,
  'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYDAY=MO,TU,WE;BYSETPOS=1,2,3',
  'FREQ=DAILY;COUNT=999;BYMONTH=2;BYMONTHDAY=30',
])('%s takes no time to speak of', (rule) => {
  expect(fastestMs(rule)).toBeLessThan(50)
})

test('no rule takes long, however it is put together and whether or not it ever falls', () => {
  fc.assert(
    fc.property(adversarial, (rule) => {
      expect(fastestMs(rule), rule).toBeLessThan(50)
    }),
    { numRuns: 1000 },
  )
})

// The fastest of three: a collection of garbage is not the rule's.
function fastestMs(rule: string): number {
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 3 && fastest > 25; i++) {
    const started = cpuMs()
    const problem = recurrenceProblem(rule)
    if (problem === undefined || problem.includes('no day')) nextOccurrence(rule, LONG_DUE, NOW)
    fastest = Math.min(fastest, cpuMs() - started)
  }
  return fastest
}
