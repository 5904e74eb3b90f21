import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKey } from './matrix-keys.ts'
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

/** As `propose` leaves one, told by the queue; answers its notification too. */
async function told(person: Person): Promise<{ id: string; notice: string }> {
  const id = await offered(person)
  await world.query(
    `insert into outbox (id, type, user_id, key, version, data)
      select id || '.1.suggestion.created', 'suggestion.created', user_id, id, 1, json_build_object('id', id,
        'status', status, 'wakeAt', wake_at, 'expiresAt', expires_at, 'version', 1) from suggestions where id = $1`,
    [id],
  )
  await world.queue([envelope(`${id}.1.suggestion.created`), envelope(`${id}.1.suggestion.created`)])
  await expect.poll(() => noticesOf(person, id), WITHIN).toHaveLength(1)
  const [notice] = await noticesOf(person, id)
  return { id, notice: notice?.id ?? '' }
}
type Notice = { id: string; readAt: string | null; link: { id: string } }
const noticesOf = async (person: Person, id: string) => {
  const { items }: { items: Notice[] } = await read(person, '/v1/notifications?kind=suggestion&unread=true')
  return items.filter(({ link }) => link.id === id)
}

test('a yes in its notification approves it, once, and no key says it', async () => {
  const person = await world.person()
  const { id, notice } = await told(person)
  const key = await makeKey(person, { scopes: ['notifications:read', 'notifications:write', 'suggestions:write'] })
  const act = `/v1/notifications/${notice}/actions`
  expect((await world.call('POST', `${act}/approve`, { token: key.secret })).status).toBe(403)
  expect(await statusOf(person, id)).toBe('proposed')
  await post(person, `${act}/approve`)
  await post(person, `${act}/approve`)
  await expect.poll(() => statusOf(person, id), WITHIN).toBe('done')
  const { items } = await read(person, '/v1/tasks')
  expect(items.map(({ title }: { title: string }) => title)).toEqual(['Buy milk'])
  expect((await person.api('POST', `${act}/dismiss`)).status).toBe(409)
})

test('a no in its notification dismisses it, and what was dismissed elsewhere is no longer there to be read', async () => {
  const person = await world.person()
  const [here, there] = [await told(person), await told(person)]
  await post(person, `/v1/notifications/${here.notice}/actions/dismiss`)
  await expect.poll(() => statusOf(person, here.id), WITHIN).toBe('dismissed')
  await post(person, `/v1/suggestions/${there.id}/dismiss`, {})
  await expect.poll(() => noticesOf(person, there.id), WITHIN).toEqual([])
  expect((await read(person, '/v1/tasks')).items).toEqual([])
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

test('what a model may not be asked in quiet hours is withheld, and released its run goes on', async () => {
  const person = await world.person()
  const at = (hours: number) => `${String((new Date().getUTCHours() + hours + 24) % 24).padStart(2, '0')}:00`
  await world.query(`update users set quiet_hours = $2::jsonb where id = $1`, [
    person.userId,
    JSON.stringify({ from: at(-2), to: at(3) }),
  ])
  const definition = {
    ...{ triggers: [{ kind: 'event', type: 'task.created' }], priority: 'routine', gather: [], actions: [] },
    analysis: { kind: 'model', ask: 'What matters?', maxFindings: 3 },
    suggestion: { kind: 'insight', title: 'Look', body: 'Now?', expiresMinutes: 600 },
  }
  const made = await person.api('POST', '/v1/workflows', { body: { name: 'Insights', definition } })
  const runId = makeId('run')
  await world.query(
    `insert into workflow_runs (id, user_id, workflow_id, definition_version, trigger_kind, cause, priority, status, ended_at)
      values ($1, $2, $3, 1, 'event', $1, 'routine', 'failed', now())`,
    [runId, person.userId, JSON.parse(made.text).id],
  )
  const { id } = JSON.parse((await person.api('POST', `/v1/runs/${runId}/retry`)).text)
  const reason = async () => (await read(person, `/v1/runs/${id}`)).run.reason
  await expect.poll(reason, WITHIN).toBe('quiet_hours')
  const { items } = await read(person, '/v1/suggestions/withheld')
  expect(items).toMatchObject([{ reason: 'quiet_hours', source: { kind: 'analysis', runId: id } }])
  await post(person, `/v1/suggestions/${items[0].id}/release`)
  // It is asked, and there is no model here that could answer.
  await expect.poll(reason, WITHIN).toBe('no_model')
  await expect.poll(() => statusOf(person, items[0].id), WITHIN).toBe('done')
  expect((await read(person, '/v1/suggestions')).items).toEqual([])
})
