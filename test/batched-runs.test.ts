import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startBatches } from './batches-fake.ts'
import { createChance } from './proofs/chance.ts'
import { makeId, type Person, startWorld, type World } from './world.ts'

const WITHIN = { timeout: 20_000, interval: 100 }

let claude: Awaited<ReturnType<typeof startBatches>>
let world: World
beforeAll(async () => {
  claude = await startBatches(createChance(1), () => Date.now())
  claude.plan.endsAfterMs = 0
  // What it finds in the facts it was told.
  claude.plan.says = (body) => {
    const [id] = /task_[0-9a-z]{26}/.exec(body) ?? []
    const finding = { title: 'The rent is late', factIds: [id], confidence: 0.9, impact: null, alternatives: [] }
    return JSON.stringify({ findings: [finding] })
  }
  const vars = { ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: claude.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
  world = await startWorld({ vars: { ...vars, AI_PLAN: 'max' } })
}, 60_000)
afterEach(() => void claude.bills.splice(0))
afterAll(async () => {
  await world.stop()
  await claude.stop()
})

const get = async (person: Person, path: string) => JSON.parse((await person.api('GET', path)).text)

/** A run that the clock set off, of a workflow that has a model look at what is late. */
async function begin(person: Person, privacy = 'contacts'): Promise<string> {
  const headers = { 'if-match': '*' }
  const set = await person.api('PATCH', '/v1/suggestions/settings', { body: { privacy }, headers })
  expect(set.status).toBe(200)
  await person.api('POST', '/v1/tasks', { body: { title: 'Pay the rent' } })
  await person.api('PUT', '/v1/autonomy', {
    body: { rules: [{ kind: 'create_task', workflowId: null, level: 'act_silently' }] },
  })
  const definition = {
    ...{ triggers: [{ kind: 'cron', cron: '0 3 * * *' }], priority: 'routine', suggestion: null },
    gather: [{ name: 'tasks', source: 'tasks', query: { limit: 5 } }],
    analysis: { kind: 'model', ask: 'What is late?', maxFindings: 3 },
    actions: [{ id: 'one', do: 'create_task', input: { title: '{{ findings[0].title }}' } }],
  }
  const made = await person.api('POST', '/v1/workflows', { body: { name: 'At night', definition } })
  expect([made.status, made.text]).toEqual([201, made.text])
  const id = makeId('run')
  await world.query(
    `insert into workflow_runs (id, user_id, workflow_id, definition_version, trigger_kind, cause, priority, status, ended_at)
      values ($1, $2, $3, 1, 'cron', $1, 'routine', 'failed', now())`,
    [id, person.userId, JSON.parse(made.text).id],
  )
  return JSON.parse((await person.api('POST', `/v1/runs/${id}/retry`)).text).id
}

const runOf = async (person: Person, id: string) => (await get(person, `/v1/runs/${id}`)).run
const callsOf = (person: Person) =>
  world.query('select id, state, batch_id from batch_calls where user_id = $1', [person.userId])
const found = async (person: Person) =>
  (await get(person, '/v1/tasks')).items.map(({ title }: { title: string }) => title).includes('The rent is late')

/** As if it were time to ask after the batches. */
async function look(person: Person): Promise<void> {
  await world.query('update batch_calls set poll_at = now(), due_at = now() where user_id = $1', [person.userId])
  await world.scheduled()
}

test('a run that the clock set off has its analysis made in a batch, at half the price, and goes on with what that says', async () => {
  const person = await world.person()
  const runId = await begin(person)
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('waiting')
  expect(claude.bills).toEqual([])
  await look(person)
  const [call] = await callsOf(person)
  expect(call).toMatchObject({ state: 'sent', batch_id: expect.stringContaining('msgbatch_') })
  expect((await runOf(person, runId)).status).toBe('waiting')
  await look(person)
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('done')
  expect(await found(person)).toBe(true)
  const [bill] = claude.bills
  expect(claude.bills).toEqual([{ id: call?.['id'], micros: expect.any(Number) }])
  expect((await runOf(person, runId)).costMicros).toBe(bill?.micros)
  const usage = await get(person, '/v1/ai/usage')
  expect(usage.features).toMatchObject([{ feature: 'batch', total: { calls: 1, costMicros: bill?.micros } }])
})

test('past its deadline it is made directly, and the run goes on all the same', async () => {
  const person = await world.person()
  const runId = await begin(person)
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('waiting')
  await world.query(`update batch_calls set deadline_at = now() where user_id = $1`, [person.userId])
  await look(person)
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('done')
  expect(await found(person)).toBe(true)
  expect(claude.bills).toEqual([{ id: 'direct', micros: expect.any(Number) }])
  expect((await runOf(person, runId)).costMicros).toBe(claude.bills[0]?.micros)
})

test('where names are hidden from the model, their numbers do not wait: it is asked at once', async () => {
  const person = await world.person()
  const runId = await begin(person, 'strict')
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('done')
  expect(await found(person)).toBe(true)
  expect(await callsOf(person)).toEqual([])
})

test('what waits for a batch when somebody would have less told is not sent: the model is asked anew, with less', async () => {
  const person = await world.person()
  const runId = await begin(person)
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('waiting')
  const headers = { 'if-match': '*' }
  await person.api('PATCH', '/v1/suggestions/settings', { body: { privacy: 'strict' }, headers })
  expect(await callsOf(person)).toMatchObject([{ state: 'failed', batch_id: null }])
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('done')
  expect(await found(person)).toBe(true)
  await look(person)
  expect(claude.bills).toEqual([{ id: 'direct', micros: expect.any(Number) }])
})

test('of a workflow that is deleted nothing goes to a batch, and its run ends without asking a model or doing anything', async () => {
  const person = await world.person()
  const runId = await begin(person)
  await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('waiting')
  const { workflowId } = await runOf(person, runId)
  expect((await person.api('DELETE', `/v1/workflows/${workflowId}`, { headers: { 'if-match': '*' } })).status).toBe(204)
  expect(await callsOf(person)).toMatchObject([{ state: 'failed', batch_id: null }])
  const cancelled = { status: 'cancelled', reason: 'workflow_deleted' }
  await expect.poll(() => runOf(person, runId), WITHIN).toMatchObject(cancelled)
  await look(person)
  expect([claude.bills, await found(person)]).toEqual([[], false])
})

test('what the person allowed is asked about where a fact it rests on changed meanwhile, and done where another did', async () => {
  const titled = async (title: string, act: (person: Person, id: string) => Promise<unknown>) => {
    const person = await world.person()
    const runId = await begin(person)
    await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).toBe('waiting')
    await look(person)
    const { items } = await get(person, '/v1/tasks')
    await act(person, items.find((one: { title: string }) => one.title === title)?.id)
    await look(person)
    await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).not.toBe('waiting')
    await expect.poll(async () => (await runOf(person, runId)).status, WITHIN).not.toBe('running')
    return { person, runId, status: (await runOf(person, runId)).status, isDone: await found(person) }
  }
  const headers = { 'if-match': '*' }
  const added = await titled('Pay the rent', (person) => person.api('POST', '/v1/tasks', { body: { title: 'Else' } }))
  expect(added).toMatchObject({ status: 'done', isDone: true })
  const edited = await titled('Pay the rent', (person, id) =>
    person.api('PATCH', `/v1/tasks/${id}`, { body: { notes: 'Paid by Ada' }, headers }),
  )
  expect(edited).toMatchObject({ status: 'proposed', isDone: false })
  const { suggestionId } = await runOf(edited.person, edited.runId)
  expect((await get(edited.person, `/v1/suggestions/${suggestionId}`)).body).toContain('has changed since')
})
