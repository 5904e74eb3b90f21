import { afterAll, beforeAll, expect, test } from 'vitest'
import { envelope } from './proofs/lib-kinds.ts'
import { makeId, type Person, startWorld, type World } from './world.ts'

const WITHIN = { timeout: 20_000, interval: 100 }

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

const get = async (person: Person, path: string) => JSON.parse((await person.api('GET', path)).text)
const body = (action: object) => ({ name: 'Weekly', when: { kind: 'cron', cron: '0 9 * * MON' }, action })
const made = async (person: Person, path: string, given: object) => {
  const answer = await person.api('POST', path, { body: given })
  expect([path, answer.status]).toEqual([path, 201])
  return JSON.parse(answer.text)
}

/** Makes a schedule, has it run, and answers its execution once it is settled. */
async function due(person: Person, action: object, before?: () => Promise<unknown>) {
  const { id } = await made(person, '/v1/schedules', body(action))
  await before?.()
  expect((await person.api('POST', `/v1/schedules/${id}/run`)).status).toBe(202)
  return await settled(person, id)
}

async function settled(person: Person, id: string) {
  const runOf = async () => (await get(person, `/v1/schedules/${id}/executions`)).items[0]
  await expect.poll(async () => (await runOf()).status, WITHIN).not.toBe('waiting')
  return await runOf()
}

/** As if whoever carried it out had died before it was written down: everything is brought again. */
async function again(person: Person, run: { id: string; scheduleId: string }) {
  await world.query("update schedule_runs set status = 'waiting', outcome = null, ended_at = null where id = $1", [
    run.id,
  ])
  const event = `${run.id}.1.schedule.due`
  await world.query("delete from inbox where message_id = $1 and consumer = 'schedules'", [event])
  await world.queue([envelope(event), envelope(event)])
  const asked = "update jobs set status = 'waiting', available_at = now(), ended_at = null where ref = $1 returning id"
  const jobs = await world.query(asked, [run.id])
  for (const { id } of jobs) await world.queue([{ v: 1, kind: 'job', jobId: id }], 'aurelius-ai-tasks')
  return await settled(person, run.scheduleId)
}

const told = async (person: Person) =>
  (await get(person, '/v1/notifications?limit=50')).items.filter(({ kind }: { kind: string }) => kind === 'schedule')

test('an effect is done once, whatever is lost or brought twice, and shows what it did', async () => {
  const person = await world.person()
  const run = await due(person, { kind: 'effect', do: 'create_task', input: { title: 'Write the report' } })
  const { items } = await get(person, '/v1/tasks')
  expect(items).toMatchObject([{ title: 'Write the report' }])
  expect(run).toMatchObject({
    status: 'done',
    outcome: { kind: 'effect', evidence: { id: items[0].id, provider: 'aurelius' } },
  })
  expect(await again(person, run)).toMatchObject({ status: 'done', outcome: run.outcome })
  expect((await get(person, '/v1/tasks')).items).toHaveLength(1)
  expect(await told(person)).toHaveLength(1)
  expect(await get(person, `/v1/effects/${run.outcome.id}`)).toMatchObject({
    origin: { kind: 'schedule', scheduleRunId: run.id },
  })
})

test('what goes out is proposed once and sent when it is approved; allowed before, it is under way; forbidden, it is not', async () => {
  const person = await world.person()
  await world.query('update users set email_verified_at = now() where id = $1', [person.userId])
  const input = { to: ['ada@example.com'], subject: 'Friday', text: 'At nine?' }
  const run = await due(person, { kind: 'effect', do: 'send_mail', input })
  expect(run).toMatchObject({ status: 'done', outcome: { kind: 'suggestion' } })
  expect((await again(person, run)).outcome).toEqual(run.outcome)
  expect((await get(person, '/v1/effects')).items).toEqual([])
  const { items } = await get(person, '/v1/suggestions')
  expect(items).toMatchObject([
    { id: run.outcome.id, source: { kind: 'schedule', scheduleRunId: run.id }, actions: [{ kind: 'send_mail' }] },
  ])
  await person.api('POST', `/v1/suggestions/${run.outcome.id}/approve`, { body: {} })
  await expect
    .poll(async () => (await get(person, '/v1/effects')).items, WITHIN)
    .toMatchObject([{ kind: 'send_mail', status: 'held' }])
  const level = async (said: string) => {
    const rules = [{ kind: 'send_mail', workflowId: null, level: said }]
    expect((await person.api('PUT', '/v1/autonomy', { body: { rules } })).status).toBe(200)
  }
  await level('act_silently')
  const { id } = await made(person, '/v1/schedules', body({ kind: 'effect', do: 'send_mail', input }))
  expect((await person.api('POST', `/v1/schedules/${id}/run`)).status).toBe(202)
  const allowed = async () => (await get(person, `/v1/schedules/${id}/executions`)).items[0]
  // It is held: taken back, it was not done.
  await expect.poll(allowed, WITHIN).toMatchObject({ status: 'waiting', outcome: { kind: 'effect' }, endedAt: null })
  const effectId = (await allowed()).outcome.id
  expect((await person.api('POST', '/v1/effects/undo', { body: { id: effectId } })).status).toBe(200)
  await expect.poll(allowed, WITHIN).toMatchObject({ status: 'failed', outcome: { code: 'cancelled' } })
  await level('never')
  expect(await due(person, { kind: 'effect', do: 'send_mail', input })).toMatchObject({
    status: 'failed',
    outcome: { code: 'forbidden' },
  })
  expect((await get(person, '/v1/effects')).items).toHaveLength(2)
})

const DEFINITION = {
  ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null },
  actions: [{ id: 'plan', do: 'create_task', input: { title: 'Plan {{ trigger.data.what }}' } }],
}

test('a workflow is run once for each time; one that was deleted since is a failure with its reason', async () => {
  const person = await world.person()
  const workflow = await made(person, '/v1/workflows', { name: 'Plan', definition: DEFINITION })
  const action = { kind: 'run_workflow', workflowId: workflow.id, input: { what: 'the week' } }
  const run = await due(person, action)
  expect(run).toMatchObject({ status: 'done', outcome: { kind: 'run' } })
  expect((await again(person, run)).outcome).toEqual(run.outcome)
  const runs = await world.query('select id, cause, trigger from workflow_runs where workflow_id = $1', [workflow.id])
  expect(runs).toMatchObject([{ id: run.outcome.id, cause: `schedule:${run.id}` }])
  expect(JSON.stringify(runs[0]?.trigger)).toContain('the week')
  const gone = await due(person, action, () => person.api('DELETE', `/v1/workflows/${workflow.id}`))
  expect(gone).toMatchObject({ status: 'failed', outcome: { kind: 'failure', code: 'not_found' } })
  expect(await told(person)).toMatchObject([{ title: '"Weekly" could not be done', body: 'The workflow is gone' }])
})

test('the assistant is asked once, the allowance for background work pays, and the answer is told', async () => {
  const person = await world.person()
  const action = { kind: 'ask_assistant', text: 'Add a task: water the plants' }
  const run = await due(person, action)
  expect(run).toMatchObject({ status: 'done', outcome: { kind: 'answer' } })
  const { conversationId, messageId } = run.outcome
  const said = async () => (await get(person, `/v1/conversations/${conversationId}/messages`)).items
  expect(await said()).toMatchObject([
    { role: 'user', text: action.text },
    { id: messageId, role: 'assistant', status: 'done' },
  ])
  expect(await told(person)).toMatchObject([{ title: 'Weekly', body: (await said())[1].text }])
  expect((await again(person, run)).outcome).toEqual(run.outcome)
  expect([(await said()).length, (await get(person, '/v1/tasks')).items.length, (await told(person)).length]).toEqual([
    2, 1, 1,
  ])
  const calls = async () =>
    await world.query('select is_background from usage_events where user_id = $1 and feature = $2', [
      person.userId,
      'assistant',
    ])
  await expect.poll(async () => (await calls()).length, WITHIN).toBeGreaterThan(0)
  expect(new Set((await calls()).map((call) => call.is_background))).toEqual(new Set([true]))
  await person.api('POST', `/v1/schedules/${run.scheduleId}/run`)
  await expect.poll(async () => (await said()).length, WITHIN).toBe(4)
})

test('a conversation that is given is the one it is said in, and where it is gone that is the failure', async () => {
  const person = await world.person()
  const { id } = await made(person, '/v1/conversations', { title: 'Mine' })
  const action = { kind: 'ask_assistant', text: 'What is due today?', conversationId: id }
  expect(await due(person, action)).toMatchObject({ status: 'done', outcome: { conversationId: id } })
  const gone = await due(person, action, () => person.api('DELETE', `/v1/conversations/${id}`))
  expect(gone).toMatchObject({ status: 'failed', outcome: { code: 'not_found' } })
})

test("what is not there, or is another's, is refused when it is saved", async () => {
  const [person, other] = [await world.person(), await world.person()]
  const theirs = await made(other, '/v1/workflows', { name: 'Plan', definition: DEFINITION })
  const talk = await made(other, '/v1/conversations', { title: 'Theirs' })
  const effect = (kind: string, input: object) => ({ kind: 'effect', do: kind, input })
  const task = await made(other, '/v1/tasks', { title: 'Theirs' })
  const own = await made(person, '/v1/tasks', { title: 'Mine' })
  await made(person, '/v1/schedules', body(effect('complete_task', { id: own.id })))
  const refused = async (action: object) => (await person.api('POST', '/v1/schedules', { body: body(action) })).json
  const cases: [object, string][] = [
    [{ kind: 'run_workflow', workflowId: theirs.id }, '/action/workflowId'],
    [{ kind: 'ask_assistant', text: 'x', conversationId: talk.id }, '/action/conversationId'],
    [effect('fly', {}), '/action/do'],
    [effect('create_task', { name: 'x' }), '/action/input'],
    [effect('update_task', { id: makeId('task'), title: 7 }), '/action/input'],
    [effect('update_task', { id: task.id, title: 'Mine' }), '/action/input/id'],
    [effect('complete_task', { id: task.id }), '/action/input/id'],
  ]
  for (const [action, pointer] of cases)
    expect([action, await refused(action)]).toMatchObject([action, { status: 400, errors: [{ pointer }] }])
  const kept = await made(person, '/v1/schedules', body({ kind: 'notify', title: 'x' }))
  const patch = { body: { action: cases[0]?.[0] }, headers: { 'if-match': '*' } }
  expect((await person.api('PATCH', `/v1/schedules/${kept.id}`, patch)).status).toBe(400)
})

test('a key, though it may do it now, schedules nothing but a word to its person', async () => {
  const person = await world.person()
  const workflow = await made(person, '/v1/workflows', { name: 'Plan', definition: DEFINITION })
  const mine = await made(person, '/v1/schedules', body({ kind: 'notify', title: 'x' }))
  const scopes = ['schedules', 'tasks', 'workflows', 'conversations', 'effects'].flatMap((area) => [
    `${area}:read`,
    `${area}:write`,
  ])
  const { secret: token } = await made(person, '/v1/api-keys', { name: 'x', scopes })
  const actions = [
    { kind: 'effect', do: 'create_task', input: { title: 'x' } },
    { kind: 'ask_assistant', text: 'x' },
    { kind: 'run_workflow', workflowId: workflow.id },
  ]
  for (const action of actions) {
    const refusal = { status: 400, json: { errors: [{ pointer: '/action/kind' }] } }
    expect(await world.call('POST', '/v1/schedules', { token, body: body(action) })).toMatchObject(refusal)
    const patch = { token, body: { action }, headers: { 'if-match': '*' } }
    expect(await world.call('PATCH', `/v1/schedules/${mine.id}`, patch)).toMatchObject(refusal)
  }
  const word = { token, body: body({ kind: 'notify', title: 'x' }) }
  expect((await world.call('POST', '/v1/schedules', word)).status).toBe(201)
})

test('every template of a schedule can be made as it is', async () => {
  const person = await world.person()
  const { items } = await get(person, '/v1/schedules/templates')
  const kinds = new Set<string>()
  for (const { schedule } of items) {
    await made(person, '/v1/schedules', schedule)
    kinds.add(schedule.action.kind)
  }
  expect([...kinds].sort()).toEqual(['ask_assistant', 'effect', 'notify'])
})
