import type { WorkflowStep, WorkflowStepConfig } from 'cloudflare:workers'
import { type Ctx, describeError } from '#core'
import { makeCtx } from './context.ts'

// Four minutes in all; then the instance has failed, and cron begins another.
const TRY: WorkflowStepConfig = {
  retries: { limit: 8, delay: '1 second', backoff: 'exponential' },
  timeout: '10 minutes',
}

export type StepPlace = { env: Env; runtime: ExecutionContext; step: WorkflowStep }

/** A step of a Workflow with a context of its own; what it fails with is logged, which the platform does not do. */
export async function durableStep(
  { env, runtime, step }: StepPlace,
  name: string,
  work: (ctx: Ctx) => Promise<string | null | void>,
): Promise<string | null> {
  return await step.do(name, TRY, async () => {
    const ctx = makeCtx(env, runtime)
    try {
      return (await work(ctx)) ?? null
    } catch (error) {
      ctx.log.error('workflow.step_failed', { step: name, ...describeError(error) })
      throw error
    }
  })
}
