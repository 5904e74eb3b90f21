import { type Carrier, failed } from '#scheduler'
import { fire } from './fire.ts'
import { readReady } from './ready.ts'

/** Has a schedule begin runs of a workflow, as something that happens does: once for each time it is due. */
export const workflowCarrier: Carrier<'run_workflow'> = {
  async check(ctx, { workflowId }) {
    const ready = await readReady(ctx, ctx.actor.userId, workflowId)
    return ready ? [] : [{ pointer: '/workflowId', detail: 'there is no such workflow' }]
  },
  async carryOut(ctx, due, { workflowId, input }) {
    const { run } = due
    const ready = await readReady(ctx, ctx.actor.userId, workflowId)
    if (!ready) return failed(due, 'not_found', 'The workflow is gone')
    const trigger = { kind: 'schedule', at: run.dueAt, data: input }
    const { runId } = await fire(ctx, ready, {
      ...{ kind: 'schedule', triggerId: null, trigger, cause: `schedule:${run.id}`, subject: null },
      ...{ tainted: false, depth: 0 },
    })
    if (runId === null) return failed(due, 'conflict', 'The workflow is off, or its own limits held the run back')
    return { status: 'done', outcome: { kind: 'run', id: runId } }
  },
}
