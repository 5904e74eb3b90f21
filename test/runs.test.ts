import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeId, type Person, startWorld, type World } from './world.ts'

const ENDS_WITHIN_MS = 20_000

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

const get = async (person: Person, path: string) => JSON.parse((await person.api('GET', path)).text)

/** A run of these actions, asked for as a retry is. */
async function begin(person: Person, actions: object[]): Promise<string> {
  const definition = {
    triggers: [{ kind: 'manual' }],
    priority: 'routine',
    gather: [],
    analysis: null,
    suggestion: null,
    actions,
  }
  const made = await person.api('POST', '/v1/workflows', { body: { name: 'Morning', definition } })
  const id = makeId('run')
  await world.query(
    `insert into workflow_runs (id, user_id, workflow_id, definition_version, trigger_kind, cause, priority, status, ended_at)
      values ($1, $2, $3, 1, 'manual', $1, 'routine', 'failed', now())`,
    [id, person.userId, JSON.parse(made.text).id],
  )
  return JSON.parse((await person.api('POST', `/v1/runs/${id}/retry`)).text).id
}

async function reaches(person: Person, runId: string, status: string) {
  const until = Date.now() + ENDS_WITHIN_MS
  for (;;) {
    const detail = await get(person, `/v1/runs/${runId}`)
    if (detail.run.status === status) return detail
    if (Date.now() > until || detail.run.endedAt !== null) throw new Error(`the run is ${JSON.stringify(detail)}`)
    await wait(50)
  }
}

const task = (id: string, title: string) => ({ id, do: 'create_task', input: { title } })

test('a run asks, is told yes, does it, and shows what it did', async () => {
  const person = await world.person()
  const runId = await begin(person, [task('one', 'Water the plants'), task('two', 'After {{ steps.one.title }}')])
  const { run } = await reaches(person, runId, 'proposed')
  const suggestion = await get(person, `/v1/suggestions/${run.suggestionId}`)
  expect(suggestion).toMatchObject({ status: 'proposed', source: { kind: 'run', runId } })
  expect((await get(person, '/v1/tasks')).items).toEqual([])
  await person.api('POST', `/v1/suggestions/${run.suggestionId}/approve`, { body: {} })
  const done = await reaches(person, runId, 'done')
  const { items } = await get(person, '/v1/tasks')
  expect(items.map(({ title }: { title: string }) => title).sort()).toEqual([
    'After Water the plants',
    'Water the plants',
  ])
  expect(done.run).toMatchObject({ outcome: 'acted', accepted: true })
  expect(done.run.evidence.map(({ id }: { id: string }) => id).sort()).toEqual(
    items.map(({ id }: { id: string }) => id).sort(),
  )
  expect((await get(person, `/v1/suggestions/${run.suggestionId}`)).status).toBe('done')
})

test('a question waits for its answer, and the answer goes on with the run', async () => {
  const person = await world.person()
  await person.api('PUT', '/v1/autonomy', {
    body: { rules: [{ kind: 'create_task', workflowId: null, level: 'act_silently' }] },
  })
  const runId = await begin(person, [
    { id: 'ask', ask: { question: 'Which one?', choices: ['left', 'right'] } },
    task('one', 'Take the {{ steps.ask.answer }} one'),
  ])
  const { question } = await reaches(person, runId, 'waiting')
  expect(question).toMatchObject({ step: 'ask', question: 'Which one?', choices: ['left', 'right'] })
  await person.api('POST', `/v1/runs/${runId}/answer`, { body: { step: 'ask', answer: 'left' } })
  await reaches(person, runId, 'done')
  expect((await get(person, '/v1/tasks')).items[0].title).toBe('Take the left one')
})

test('a wait ends at its time, and one that is past at once; whoever is lost in it is followed by one that goes on', async () => {
  const person = await world.person()
  await person.api('PUT', '/v1/autonomy', {
    body: { rules: [{ kind: 'create_task', workflowId: null, level: 'act_silently' }] },
  })
  const until = (id: string, ms: number) => ({ id, wait: { until: new Date(Date.now() + ms).toISOString() } })
  const runId = await begin(person, [until('past', -60_000), task('one', 'A'), until('soon', 3000), task('two', 'B')])
  await reaches(person, runId, 'waiting')
  await world.query('update workflow_runs set deadline_at = now() where id = $1', [runId])
  await world.scheduled()
  const { run } = await reaches(person, runId, 'done')
  expect(run.evidence.map(({ step }: { step: string }) => step)).toEqual(['one', 'two'])
  expect((await get(person, '/v1/tasks')).items).toHaveLength(2)
})

test('an instance that is lost is begun again where it was, and does nothing twice', async () => {
  const person = await world.person()
  const runId = await begin(person, [task('one', 'Water the plants')])
  const { run } = await reaches(person, runId, 'proposed')
  await world.query('update workflow_runs set deadline_at = now() where id = $1', [runId])
  await world.scheduled()
  const until = Date.now() + ENDS_WITHIN_MS
  while ((await get(person, `/v1/runs/${runId}`)).run.version <= run.version && Date.now() < until) await wait(50)
  await reaches(person, runId, 'proposed')
  const { items } = await get(person, '/v1/suggestions')
  expect(items).toHaveLength(1)
  await person.api('POST', `/v1/suggestions/${run.suggestionId}/approve`, { body: {} })
  await reaches(person, runId, 'done')
  expect((await get(person, '/v1/tasks')).items).toHaveLength(1)
})
