import { ERASURE_STEPS, eraseStep } from '#account'
import { durableStep, type StepPlace } from './durable-step.ts'

/** One erasure: a step for each store. It is known by its id alone, which names nobody. */
export async function erasePerson(at: StepPlace, id: string): Promise<void> {
  for (const name of ERASURE_STEPS) await durableStep(at, name, (ctx) => eraseStep(ctx, id, name))
}
