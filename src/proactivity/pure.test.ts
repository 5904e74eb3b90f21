import { expect, test } from 'vitest'
import { isTold, wordLikeness } from './alike.ts'
import { decideAutonomy, raises } from './autonomy.ts'
import type { Autonomy, AutonomyRule } from './autonomy-schema.ts'
import { cellOf, momentAt, nextClock, quietUntil, startOf } from './moment.ts'

const rule = (kind: string, level: Autonomy, workflowId: string | null = null): AutonomyRule => ({
  kind,
  workflowId,
  level,
})
const inside = { kind: 'create_task', workflowId: 'wf_1', outward: false, tainted: false }
const mail = { kind: 'send_mail', workflowId: 'wf_1', outward: true, tainted: false }

test('whoever said nothing is asked', () => {
  for (const act of [inside, mail]) expect(decideAutonomy([], act)).toBe('ask')
})

test('the closest rule holds', () => {
  const rules = [
    rule('*', 'act_and_tell'),
    rule('*', 'never', 'wf_2'),
    rule('create_task', 'act_silently'),
    rule('create_task', 'ask', 'wf_3'),
  ]
  const of = (kind: string, workflowId: string | null) => decideAutonomy(rules, { ...inside, kind, workflowId })
  expect(of('remember', null)).toBe('act_and_tell')
  expect(of('remember', 'wf_2')).toBe('never')
  expect(of('create_task', 'wf_2')).toBe('act_silently')
  expect(of('create_task', 'wf_3')).toBe('ask')
})

test('what is outward goes by a rule for exactly its kind, or is asked; a general never holds for it too', () => {
  expect(decideAutonomy([rule('*', 'act_silently'), rule('*', 'act_silently', 'wf_1')], mail)).toBe('ask')
  expect(decideAutonomy([rule('send_mail', 'act_and_tell')], mail)).toBe('act_and_tell')
  expect(decideAutonomy([rule('*', 'never')], mail)).toBe('never')
})

test('what deletes, or cannot be taken back, goes by a rule for exactly its kind as well', () => {
  const grave = ['delete_project', 'delete_task', 'delete_event', 'forget', 'discard_mail', 'run_workflow']
  for (const kind of grave) {
    const act = { ...inside, kind }
    expect(decideAutonomy([rule('*', 'act_silently'), rule('*', 'act_silently', 'wf_1')], act)).toBe('ask')
    expect(decideAutonomy([rule(kind, 'act_silently')], act)).toBe('act_silently')
    expect(raises([], [rule(kind, 'act_silently')])).toBe(true)
  }
})

test('what is tainted is never done unasked, whatever was allowed', () => {
  const levels: Autonomy[] = ['never', 'ask', 'act_and_tell', 'act_silently']
  for (const act of [inside, mail])
    for (const level of levels) {
      const rules = [rule('*', level), rule(act.kind, level), rule(act.kind, level, 'wf_1')]
      expect(decideAutonomy(rules, { ...act, tainted: true })).toBe(level === 'never' ? 'never' : 'ask')
    }
})

test('more freedom for what is outward is seen, however it comes about', () => {
  const quiet = rule('send_mail', 'act_silently')
  expect(raises([], [rule('create_task', 'act_silently')])).toBe(false)
  expect(raises([], [quiet])).toBe(true)
  expect(raises([quiet], [rule('send_mail', 'act_and_tell')])).toBe(false)
  expect(raises([quiet, rule('send_mail', 'never', 'wf_1')], [quiet])).toBe(true)
  expect(raises([rule('send_mail', 'never')], [])).toBe(false)
})

test('titles that mean the same are alike, those that name other things are not', () => {
  const alike = (a: string, b: string) => wordLikeness(a, b) >= 0.5
  expect(alike('Renew your passport', 'Your passport should be renewed')).toBe(true)
  expect(alike('Plan the weekly review', 'Review the week and plan it')).toBe(true)
  expect(alike('Pay the March invoice', 'Pay the April invoice')).toBe(false)
  expect(alike('Reply to Ann about the lease', 'Reply to Ben about the lease')).toBe(false)
  expect(alike('Water the plants', 'Call the bank')).toBe(false)
  expect(isTold('Pay invoice 17', 'Settle invoice 18')).toBe(true)
  // What they share does not make up for what they do not.
  expect(alike('Pay invoice 17 of March', 'Pay invoice 18 of March')).toBe(false)
  expect(isTold('Call the bank on Friday at 9:00', 'Call the bank on Friday at 15:00')).toBe(true)
  expect(alike('Your Monday: 3 tasks, 0 late', 'Your Tuesday: 5 tasks, 0 late')).toBe(false)
  expect(alike('Call the bank on Friday', 'Call the bank on Friday at 9:00')).toBe(true)
})

test('a moment is that of the person, on days that change their clocks too', () => {
  expect(cellOf(momentAt(new Date('2026-11-23T12:30:00Z'), 'America/Los_Angeles'))).toBe('night/weekday')
  expect(cellOf(momentAt(new Date('2026-11-22T22:30:00Z'), 'Pacific/Auckland'))).toBe('morning/weekday')
  expect(cellOf(momentAt(new Date('2026-11-22T10:30:00Z'), 'UTC'))).toBe('morning/weekend')
  // Whoever works on Sundays has their weekend at another time.
  expect(cellOf(momentAt(new Date('2026-11-22T10:30:00Z'), 'UTC', [7, 1, 2, 3, 4]))).toBe('morning/weekday')
  const clocks: [string, string, number, string][] = [
    ['2026-03-29T00:30:00Z', 'Europe/Berlin', 7 * 60, '2026-03-29T05:00:00.000Z'],
    ['2026-10-25T00:30:00Z', 'Europe/Berlin', 7 * 60, '2026-10-25T06:00:00.000Z'],
    ['2026-06-01T05:00:00Z', 'Europe/Berlin', 7 * 60, '2026-06-02T05:00:00.000Z'],
    ['2026-06-01T04:59:30Z', 'Asia/Kolkata', 7 * 60, '2026-06-02T01:30:00.000Z'],
  ]
  for (const [at, zone, minutes, expected] of clocks)
    expect(nextClock(new Date(at), zone, minutes).toISOString()).toBe(expected)
})

test('quiet hours may lie over midnight, and end when they say', () => {
  const night = { from: '22:00', to: '07:00' }
  const until = (at: string, quiet: Parameters<typeof quietUntil>[2] = night) =>
    quietUntil(new Date(at), 'Europe/Berlin', quiet)?.toISOString() ?? null
  expect(until('2026-11-23T20:59:59Z')).toBeNull()
  expect(until('2026-11-23T21:00:00Z')).toBe('2026-11-24T06:00:00.000Z')
  expect(until('2026-11-24T05:59:59Z')).toBe('2026-11-24T06:00:00.000Z')
  expect(until('2026-11-24T06:00:00Z')).toBeNull()
  expect(until('2026-11-24T12:30:00Z', { from: '13:00', to: '14:00' })).toBe('2026-11-24T13:00:00.000Z')
  expect(until('2026-11-24T12:30:00Z', { from: '13:00', to: '13:00' })).toBeNull()
  expect(until('2026-11-24T12:30:00Z', null)).toBeNull()
})

test('a part of today that is to come has a beginning', () => {
  const at = new Date('2026-11-24T08:00:00Z')
  expect(startOf('evening', at, 'Europe/Berlin')?.toISOString()).toBe('2026-11-24T16:00:00.000Z')
  expect(startOf('morning', at, 'Europe/Berlin')).toBeNull()
})
