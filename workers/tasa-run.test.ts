import { introspectWorkflowInstance } from 'cloudflare:test'
import { env, type WorkflowStep, type WorkflowStepConfig } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { EFFECT_LEASE_S } from '#effects'
import { effects } from '#effects/tables'
import { makePerson } from '#test/database'
import { Definition } from '#workflows'
import { workflowRuns, workflows, workflowVersions } from '#workflows/tables'
import { tasaRun } from './tasa-run.ts'

/** A run of a workflow that tells its person something, for which nobody is asked. */
async function makeRun() {
  const person = await makePerson()
  const { userId } = person.actor
  const [workflowId, runId] = [person.newId('wfl'), person.newId('run')]
  const definition = Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null },
    actions: [{ id: 'tell', do: 'notify', input: { title: 'Stretch' } }],
  })
  await person.db.insert(workflows).values({ id: workflowId, userId, name: 'Stretch', params: {} })
  await person.db.insert(workflowVersions).values({ id: `${workflowId}.1`, workflowId, version: 1, userId, definition })
  const asked = { definitionVersion: 1, triggerKind: 'manual', cause: runId, priority: 'routine' as const, trigger: {} }
  await person.db.insert(workflowRuns).values({ ...asked, id: runId, userId, workflowId })
  const ended = async () => {
    const [run] = await person.db.select().from(workflowRuns).where(eq(workflowRuns.id, runId))
    const done = await person.db.select().from(effects).where(eq(effects.userId, userId))
    return { status: run?.status, outcome: run?.outcome, done: done.map(({ status }) => status) }
  }
  return { userId, runId, ended }
}

test.each([':gather', 'tell'])(
  'a step of a run that fails twice, %s, is tried again, and what it does is done once',
  async (name) => {
    const { userId, runId, ended } = await makeRun()
    await using instance = await introspectWorkflowInstance(env.TASA_RUN, runId)
    await instance.modify(async (m) => {
      await m.disableRetryDelays()
      await m.mockStepError({ name }, new Error('the database is away'), 2)
    })
    await env.TASA_RUN.create({ id: runId, params: { runId, userId } })
    await instance.waitForStatus('complete')
    expect(await ended()).toEqual({ status: 'done', outcome: 'acted', done: ['done'] })
  },
)

test('a step is tried for longer than an effect is its holder\u2019s: whoever died at it is taken over', async () => {
  const configs: WorkflowStepConfig[] = []
  const refuse = async (_: string, config: WorkflowStepConfig) => {
    configs.push(config)
    throw new Error('noted')
  }
  const step = { do: refuse } as unknown as WorkflowStep
  const runtime = { waitUntil: () => undefined } as unknown as ExecutionContext
  await expect(
    tasaRun({ env, runtime, step }, { userId: 'usr_1', runId: 'run_1', instanceId: 'run_1' }),
  ).rejects.toThrow('noted')
  const [{ retries } = {}] = configs
  expect(retries).toMatchObject({ delay: '1 second', backoff: 'exponential' })
  const waitedS = Array.from({ length: retries?.limit ?? 0 }, (_, n) => 2 ** n).reduce((sum, s) => sum + s, 0)
  expect(waitedS).toBeGreaterThan(EFFECT_LEASE_S)
})
