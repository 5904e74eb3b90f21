import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from 'cloudflare:workers'
import { ERASURE_STEPS, eraseStep } from '#account'
import { makeCtx } from './context.ts'

// Four minutes in all; then cron begins another.
const TRY: WorkflowStepConfig = {
  retries: { limit: 8, delay: '1 second', backoff: 'exponential' },
  timeout: '10 minutes',
}

/** One erasure: a step for each store. It is known by its id alone, which names nobody. */
export class ErasePerson extends WorkflowEntrypoint<Env, { id: string }> {
  override async run({ payload }: WorkflowEvent<{ id: string }>, step: WorkflowStep): Promise<void> {
    for (const name of ERASURE_STEPS)
      await step.do(name, TRY, () => eraseStep(makeCtx(this.env, this.ctx), payload.id, name))
  }
}
