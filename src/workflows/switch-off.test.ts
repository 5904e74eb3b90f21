import { and, eq, isNull } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { newId } from '#core'
import { makePerson, type Person } from '#test/database'
import { makePlatform } from '#test/workflow-platform'
import { Definition } from './definition.ts'
import { endRunsOf, switchOff } from './switch-off.ts'
import { workflowRuns, workflows, workflowVersions } from './tables.ts'

async function makeWorkflow(ctx: Person, createdAt: Date, runs: number): Promise<string> {
  const id = newId('wfl', ctx.now())
  const { userId } = ctx.actor
  const definition = Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null },
    actions: [{ id: 'one', do: 'create_task', input: { title: 'A' } }],
  })
  await ctx.db.insert(workflows).values({ id, userId, name: 'Morning', status: 'enabled', createdAt })
  await ctx.db.insert(workflowVersions).values({ id: `${id}.1`, workflowId: id, version: 1, userId, definition })
  const given = { triggerKind: 'event', priority: 'routine' as const, definitionVersion: 1, trigger: {} }
  const made = Array.from({ length: runs }, () => newId('run', ctx.now())).map((runId) => ({
    ...{ ...given, id: runId, cause: runId, userId, workflowId: id },
  }))
  await ctx.db.insert(workflowRuns).values(made)
  return id
}

test('every run of what was there by then ends, however many and whenever they began; what is newer runs on', async () => {
  const ctx = await makePerson({ env: makePlatform().env })
  const until = new Date(ctx.now().getTime() - 60_000)
  const left = await makeWorkflow(ctx, new Date(until.getTime() - 1000), 103)
  const own = await makeWorkflow(ctx, new Date(until.getTime() + 1000), 2)
  await switchOff(ctx, until)
  await endRunsOf(ctx, until)
  const open = (id: string) =>
    ctx.db.$count(workflowRuns, and(eq(workflowRuns.workflowId, id), isNull(workflowRuns.endedAt)))
  expect([await open(left), await open(own)]).toEqual([0, 2])
  const states = await ctx.db.select().from(workflows).where(eq(workflows.userId, ctx.actor.userId))
  expect(new Map(states.map(({ id, status }) => [id, status]))).toEqual(
    new Map([
      [left, 'disabled'],
      [own, 'enabled'],
    ]),
  )
}, 30_000)
