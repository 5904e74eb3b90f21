import type { WorkflowStepConfig } from 'cloudflare:workers'
import { describeError } from '#core'
import { realWorld, runTasa } from '#workflows'
import { askerCtx } from './context.ts'
import type { StepPlace } from './durable-step.ts'

// Half a minute in all: what is away longer takes the run back, and cron begins what could not even do that.
const TRY: WorkflowStepConfig = {
  retries: { limit: 5, delay: '1 second', backoff: 'exponential' },
  timeout: '2 minutes',
}

type Errand = { runId: string; userId: string; instanceId: string }

/** One instance of a run: the engine's steps as durable ones. Each of them has a context of its own. */
export async function tasaRun({ env, runtime, step }: StepPlace, { userId, ...holder }: Errand): Promise<string> {
  return await runTasa({
    async step(name, work) {
      const text = await step.do(name, TRY, async () => {
        const ctx = askerCtx(env, runtime, { userId, sessionId: null }, 'run')
        try {
          return JSON.stringify((await work(realWorld(ctx, holder))) ?? null)
        } catch (error) {
          ctx.log.warn('run.step_failed', { runId: holder.runId, step: name, ...describeError(error) })
          throw error
        }
      })
      return JSON.parse(text)
    },
    async waitFor(name, type, untilMs) {
      const timeout = Math.max(1000, untilMs - Date.now())
      try {
        await step.waitForEvent(name, { type, timeout })
      } catch {
        // Nobody said anything in time: what they did say is read by whoever waits.
      }
    },
    sleepUntil: (name, untilMs) => step.sleepUntil(name, new Date(untilMs)),
  })
}
