import { afterAll, beforeAll, expect, test } from 'vitest'
import { envelope } from './proofs/lib-kinds.ts'
import { makeId, type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000
const WITHIN = { timeout: 15_000, interval: 100 }

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

const why = { trigger: 'a test', facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null }
const buy = {
  id: 'buy',
  kind: 'create_task',
  input: { title: 'Buy milk' },
  says: 'Buy milk',
  outward: false,
  reversible: true,
}

/** As `propose` leaves one: offered, or withheld until so many seconds from now. */
async function offered({ userId }: Person, wakeS: number | null = null): Promise<string> {
  const [id, status] = [makeId('sug'), wakeS === null ? 'proposed' : 'withheld']
  await world.query(
    `insert into suggestions (id, user_id, key, kind, title, body, actions, alternatives, why, source, confidence, rank,
        priority, tainted, status, reason, fingerprint, moment, wake_at, expires_at, proposed_at)
      values ($1, $2, $1, 'groceries', 'Buy milk', '', $3::jsonb, '[]', $4::jsonb, '{"kind":"system"}', 0.5, 0.5,
        'important', false, $5, case when $5 = 'withheld' then 'quiet_hours' end, $1, 'morning/weekday',
        now() + $6 * interval '1 second', now() + interval '1 day', case when $5 = 'proposed' then now() end)`,
    [id, userId, JSON.stringify([buy]), JSON.stringify(why), status, wakeS],
  )
  return id
}

const read = async (person: Person, path: string) => JSON.parse((await person.api('GET', path)).text)
const statusOf = async (person: Person, id: string) => (await read(person, `/v1/suggestions/${id}`)).status
const post = async (person: Person, path: string, body?: unknown) => {
  const answer = await person.api('POST', path, { body })
  expect([path, answer.status]).toEqual([path, 200])
  return JSON.parse(answer.text)
}

test('approved, it is done and learned from; undone, it is gone and learned from again', async () => {
  const person = await world.person()
  const id = await offered(person)
  const kept = async () => (await read(person, '/v1/tasks')).items.map(({ title }: { title: string }) => title)
  const learned = async () => (await read(person, '/v1/learning')).items[0]
  await post(person, `/v1/suggestions/${id}/approve`, { actions: [{ id: 'buy', input: { title: 'Buy oat milk' } }] })
  await expect.poll(() => statusOf(person, id), WITHIN).toBe('done')
  expect(await kept()).toEqual(['Buy oat milk'])
  await expect.poll(learned, WITHIN).toMatchObject({ kind: 'groceries', yes: 0.75, no: 0.25 })
  const undone = await post(person, `/v1/suggestions/${id}/undo`)
  expect(undone).toMatchObject({ suggestion: { status: 'undone' }, effects: [{ status: 'undone' }] })
  expect(await kept()).toEqual([])
  await expect.poll(learned, WITHIN).toMatchObject({ yes: 0, no: 1.25 })
})

test('what waits is judged again by the timer of the person, without a call from outside', async () => {
  const person = await world.person()
  const id = await offered(person, 2)
  await world.query(
    `insert into outbox (id, type, user_id, key, version, data)
      select id || '.1.suggestion.withheld', 'suggestion.withheld', user_id, id, 1, json_build_object('id', id,
        'status', status, 'wakeAt', wake_at, 'expiresAt', expires_at, 'version', 1) from suggestions where id = $1`,
    [id],
  )
  await world.queue([envelope(`${id}.1.suggestion.withheld`)])
  expect(await statusOf(person, id)).toBe('withheld')
  await expect.poll(() => statusOf(person, id), WITHIN).toBe('proposed')
})
