import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers'
import { ERASURE_STEPS, eraseStep } from '#account'
import { durableStep } from './durable-step.ts'

/** One erasure: a step for each store. It is known by its id alone, which names nobody. */
export class ErasePerson extends WorkflowEntrypoint<Env, { id: string }> {
  override async run({ payload: { id } }: WorkflowEvent<{ id: string }>, step: WorkflowStep): Promise<void> {
    const at = { env: this.env, runtime: this.ctx, step }
    for (const name of ERASURE_STEPS) await durableStep(at, name, (ctx) => eraseStep(ctx, id, name))
  }
}
