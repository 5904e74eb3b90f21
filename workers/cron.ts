import { pruneAnswers, runBatches } from '#ai'
import { closeLostTurns } from '#assistant'
import { pruneSessions } from '#auth'
import { type Ctx, describeError } from '#core'
import { pruneMail } from '#email'
import { pruneOauthStates, resealSecrets } from '#integrations'
import { pruneApiKeys } from '#keys'
import { eraseForgotten } from '#memories'
import { pruneNotifications } from '#notifications'
import { pruneQueueTables, relay } from '#queue'
import { sweepReminders } from '#scheduler'
import { pruneKeys } from '#security'
import { pruneNonces } from '#signatures'
import { emptyBin } from '#tasks'
import { makeCtx } from './context.ts'
import { subscribers } from './subscribers.ts'

const consumers = subscribers.map(({ name }) => name)

const JOBS = {
  relay,
  sweepReminders,
  closeLostTurns,
  pruneQueueTables: (ctx: Ctx) => pruneQueueTables(ctx, consumers),
  pruneKeys,
  pruneSessions,
  pruneApiKeys,
  pruneNotifications,
  eraseForgotten,
  pruneAnswers,
  runBatches,
  emptyBin,
  pruneOauthStates,
  resealSecrets,
  pruneMail,
  pruneNonces,
}

/** What every minute is for; one job's failure is its own. */
export async function runJobs(env: Env, runtime: ExecutionContext): Promise<void> {
  const ctx = makeCtx(env, runtime)
  await Promise.all(
    Object.entries(JOBS).map(async ([job, run]) => {
      try {
        await run(ctx)
      } catch (error) {
        ctx.log.error('cron.failed', { job, ...describeError(error) })
      }
    }),
  )
}
