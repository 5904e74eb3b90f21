import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { makePerson } from '#test/database'
import { runDue } from './due.ts'
import { triggers, workflowRuns } from './tables.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

const MONDAY = new Date('2037-11-23T12:00:00.000Z')
const BASE = { priority: 'routine', gather: [], analysis: null, suggestion: null }

/** What is run of a trigger that nobody looked at before then. */
async function ranBy(trigger: object, then: string): Promise<string[]> {
  let now = MONDAY
  const person = await makePerson({ now: () => now })
  Object.assign(person, {
    env: { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => ({ arm: async () => ({ ok: true }) }) } },
  })
  const definition = {
    ...BASE,
    ...{ triggers: [trigger], actions: [{ id: 'plan', do: 'create_project', input: { name: 'plan' } }] },
  }
  const { id } = await createWorkflow(person, NewWorkflow().parse({ name: 'w', definition }))
  const [armed] = await person.db.select().from(triggers).where(eq(triggers.workflowId, id))
  now = new Date(then)
  // Twice: what was made up for is not made up for again.
  for (let n = 0; n < 2; n++) await runDue(person, { userId: person.actor.userId, id: armed?.id ?? '' })
  const [left] = await person.db.select().from(triggers).where(eq(triggers.workflowId, id))
  expect(left?.nextAt === null || (left?.nextAt ?? now) > now).toBe(true)
  const runs = await person.db.select().from(workflowRuns).where(eq(workflowRuns.workflowId, id))
  return runs.map(({ cause }) => cause.slice(5, 21)).sort()
}

const AT = { kind: 'at', at: { date: '2037-11-24', time: '08:00' } }
const EVERY = { kind: 'every', minutes: 720 }
const RULE = { kind: 'rrule', start: { date: '2037-11-20', time: '08:00' }, rrule: 'FREQ=DAILY;BYDAY=TU,TH' }
const DAYS_LATER = '2037-11-26T20:00:00Z'
const [TUESDAY, THURSDAY] = ['2037-11-24T08:00', '2037-11-26T08:00']
const HALF_DAYS = ['24T00', '24T12', '25T00', '25T12', '26T00', '26T12'].map((at) => `2037-11-${at}:00`)

test.each<[object, string | undefined, string[]]>([
  [AT, 'skip', []],
  [AT, 'once', [TUESDAY]],
  [AT, 'all', [TUESDAY]],
  [AT, undefined, [TUESDAY]],
  [EVERY, 'skip', []],
  [EVERY, 'once', ['2037-11-26T12:00']],
  [EVERY, 'all', HALF_DAYS],
  [EVERY, undefined, ['2037-11-26T12:00']],
  [RULE, 'skip', []],
  [RULE, 'once', [THURSDAY]],
  [RULE, 'all', [TUESDAY, THURSDAY]],
  [RULE, undefined, [THURSDAY]],
])('of the times of %o that were missed, with %s, are made up for: %o', async (trigger, missed, expected) => {
  expect(await ranBy({ ...trigger, ...(missed && { missed }) }, DAYS_LATER)).toEqual(expected)
})

test.each([AT, { ...EVERY, minutes: 1200 }, RULE])(
  '%o, a little late, is in time whatever its policy',
  async (trigger) => {
    expect(await ranBy({ ...trigger, missed: 'skip' }, '2037-11-24T08:04:00Z')).toEqual([TUESDAY])
  },
)

test('of very many the last fifty are made up for', async () => {
  const ran = await ranBy({ kind: 'every', minutes: 1, missed: 'all' }, '2037-11-23T22:00:00Z')
  expect([ran.length, ran[0], ran.at(-1)]).toEqual([50, '2037-11-23T21:11', '2037-11-23T22:00'])
})
