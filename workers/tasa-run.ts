import type { WorkflowStepConfig } from 'cloudflare:workers'
import { describeError } from '#core'
import { tellableFailure } from '#database'
import { overPlatform, realWorld, runTasa } from '#workflows'
import { askerCtx } from './context.ts'
import type { StepPlace } from './durable-step.ts'

// 63 seconds between the first try and the last, past the minute for which an effect is its holder's: whoever died at one
// is taken over. What fails for longer takes the run back, and cron begins what could not even do that.
const TRY: WorkflowStepConfig = {
  retries: { limit: 6, delay: '1 second', backoff: 'exponential' },
  timeout: '2 minutes',
}

type Errand = { runId: string; userId: string; instanceId: string }

/** One instance of a run: the engine's steps as durable ones. Each of them has a context of its own. */
export async function tasaRun({ env, runtime, step }: StepPlace, { userId, ...holder }: Errand): Promise<string> {
  const platform: Parameters<typeof overPlatform>[0] = {
    do: async (name, work) =>
      await step.do(name, TRY, async () => {
        const ctx = askerCtx(env, runtime, { userId, sessionId: null }, 'run')
        try {
          return await work(realWorld(ctx, holder))
        } catch (error) {
          ctx.log.warn('run.step_failed', { runId: holder.runId, step: name, ...describeError(error) })
          throw tellableFailure(error)
        }
      }),
    waitForEvent: (name, options) => step.waitForEvent(name, options),
    sleep: (name, ms) => step.sleep(name, ms),
  }
  return await runTasa(overPlatform(platform, () => Date.now()))
}
