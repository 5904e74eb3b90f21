import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { DomainEvent } from '#core'
import { makePerson } from '#test/database'
import { setPreferences } from '#users'
import { triggerSubscriber } from './react.ts'
import { triggers, workflowRuns } from './tables.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

const NOW = new Date('2026-11-23T12:00:00.000Z')
const BASE = {
  ...{ priority: 'routine', gather: [{ name: 'open', source: 'tasks', query: {} }], analysis: null, suggestion: null },
  actions: [{ id: 'plan', do: 'create_project', input: { name: 'plan' } }],
}
const at = (time: string, date = '2026-11-23') => ({ kind: 'at', at: { date, time } })

test.each<[string, object, string]>([
  ['a time of each day', { kind: 'cron', cron: '0 18 * * *' }, '2026-11-23T23:00'],
  ['a rule', { kind: 'rrule', start: { date: '2026-11-01', time: '18:00' }, rrule: 'FREQ=DAILY' }, '2026-11-23T23:00'],
  ['a time that has not come there', at('18:00'), '2026-11-23T23:00'],
  ['a zone of its own', { kind: 'cron', cron: '0 18 * * *', timeZone: 'Europe/Berlin' }, '2026-11-23T17:00'],
  [
    'a condition of a time of day',
    { kind: 'condition', when: 'size(facts.open) == 0', check: ['18:00'] },
    '2026-11-23T23:00',
  ],
  ['a condition that is looked at', { kind: 'condition', when: 'size(facts.open) > 0' }, '2026-11-24T05:00'],
])('%s is reckoned where the person is, also after they moved', async (_, trigger, expected) => {
  const armed: { dueMs: number }[] = []
  const person = await makePerson({ timeZone: 'Europe/Berlin', now: () => NOW })
  const steward = { arm: async (timers: typeof armed) => ({ ok: armed.push(...timers) > -1 }) }
  Object.assign(person, { env: { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => steward } } })
  const definition = { ...BASE, triggers: [trigger] }
  const { id } = await createWorkflow(person, NewWorkflow().parse({ name: 'w', definition }))
  const event = (type: string, key: string): DomainEvent => ({
    ...{ id: `${key}.1.${type}`, type, room: null, key, version: 1, userId: person.actor.userId, data: {} },
    at: NOW.toISOString(),
  })
  await triggerSubscriber.handle(person, [event('workflow.created', id)])
  await setPreferences(person, { timeZone: 'America/New_York' })
  await triggerSubscriber.handle(person, [event('me.updated', person.actor.userId)])
  const [row] = await person.db.select().from(triggers).where(eq(triggers.workflowId, id))
  expect(row?.nextAt?.toISOString().slice(0, 16)).toBe(expected)
  expect(armed.map(({ dueMs }) => dueMs)).toContain(row?.nextAt?.getTime())
  expect(await person.db.select().from(workflowRuns).where(eq(workflowRuns.workflowId, id))).toEqual([])
})
