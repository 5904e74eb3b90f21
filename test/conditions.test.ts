import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, startWorld, type World } from './world.ts'

const WITHIN = { timeout: 20_000, interval: 100 }

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

const get = async (person: Person, path: string) => JSON.parse((await person.api('GET', path)).text)
const made = async (person: Person, path: string, body: object) => {
  const answer = await person.api('POST', path, { body })
  expect([path, answer.status]).toEqual([path, 201])
  return JSON.parse(answer.text)
}
const runsOf = async (person: Person, id: string) =>
  (await get(person, `/v1/runs?limit=50`)).items.filter(({ workflowId }: { workflowId: string }) => workflowId === id)

test('three tasks late and an hour free: a run begins, suggests, and does what is approved, with no model asked', async () => {
  const person = await world.person()
  const { id } = await made(person, '/v1/workflows', {
    name: 'Catch up',
    definition: {
      triggers: [{ kind: 'condition', when: 'size(facts.late) >= 3 && facts.soon.all(e, !e.isBusy)' }],
      priority: 'routine',
      gather: [
        { name: 'late', source: 'tasks', query: { due: 'overdue' } },
        { name: 'soon', source: 'calendar', query: { from: '{{ now.at }}', to: '{{ addMinutes(now.at, 60) }}' } },
      ],
      analysis: null,
      suggestion: {
        kind: 'catch_up',
        title: '{{ size(facts.late) }} are late, and you are free',
        body: 'Now?',
        expiresMinutes: 60,
      },
      actions: [{ id: 'block', do: 'create_task', input: { title: 'Catch up' } }],
    },
  })
  for (const title of ['Rent', 'Taxes']) await made(person, '/v1/tasks', { title, due: { date: '2026-01-01' } })
  const meeting = await made(person, '/v1/calendar/events', { title: 'Meeting', ...hour(0) })
  await made(person, '/v1/tasks', { title: 'Letters', due: { date: '2026-01-01' } })
  const [trigger] = (await get(person, `/v1/workflows/${id}`)).triggers
  const lookedAt = async () =>
    (await world.query('select next_at from triggers where id = $1', [trigger.id])).map(({ next_at }) =>
      String(next_at),
    )
  await expect.poll(async () => Date.parse((await lookedAt())[0] ?? ''), WITHIN).toBeLessThan(Date.now() + 3_700_000)
  expect(await runsOf(person, id)).toEqual([])
  await person.api('DELETE', `/v1/calendar/events/${meeting.id}`)
  await expect
    .poll(async () => (await runsOf(person, id)).map(({ status }: { status: string }) => status), WITHIN)
    .toEqual(['proposed'])
  await made(person, '/v1/tasks', { title: 'Phone', due: { date: '2026-01-01' } })
  const { items } = await get(person, '/v1/suggestions')
  expect(items).toMatchObject([{ title: '3 are late, and you are free' }])
  await person.api('POST', `/v1/suggestions/${items[0].id}/approve`, { body: {} })
  await expect
    .poll(async () => (await runsOf(person, id)).map(({ status }: { status: string }) => status), WITHIN)
    .toEqual(['done'])
  expect(await world.query('select id from usage_events where user_id = $1', [person.userId])).toEqual([])
})

/** An hour that begins so many hours from now, in UTC. */
function hour(from: number) {
  const at = (hours: number) => {
    const iso = new Date(Date.now() + hours * 3_600_000).toISOString()
    return { date: iso.slice(0, 10), time: iso.slice(11, 16), timeZone: 'UTC' }
  }
  return { start: at(from), end: at(from + 1) }
}
