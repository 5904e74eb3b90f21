import { pruneExports, resumeExports, startErasures } from '#account'
import { runCron } from '#admin'
import { pruneAnswers, runBatches } from '#ai'
import { closeLostTurns } from '#assistant'
import { tellDenials } from '#audit'
import { pruneChallenges, pruneCodes, pruneSessions, pruneSignInFlows } from '#auth'
import { emptyCalendarBin, sweepEventReminders } from '#calendar'
import type { Ctx } from '#core'
import { acting } from '#database'
import { endLostEffects, sweepEffects } from '#effects'
import { pruneMail } from '#email'
import { pruneOauthStates } from '#integrations'
import { pruneApiKeys } from '#keys'
import { eraseDrafts } from '#mail'
import { eraseForgotten } from '#memories'
import { pruneLedger, pruneNotifications, sweepDeliveries } from '#notifications'
import { pruneOauth } from '#oauth'
import { pruneSuggestions, sweepApproved, sweepSuggestions } from '#proactivity'
import { pruneJobs, pruneQueueTables, relay, relayJobs } from '#queue'
import { endLostRuns, pruneScheduleRuns, sweepReminders, sweepSchedules } from '#scheduler'
import { sweepErased } from '#search'
import { pruneKeys, resealSecrets } from '#security'
import { pruneNonces } from '#signatures'
import { emptyBin } from '#tasks'
import { pruneDeliveries, sendDue } from '#webhooks'
import { emptyWorkflowBin, sweepRuns, sweepTriggers } from '#workflows'
import { makeCtx } from './context.ts'
import { sealedColumns } from './sealed.ts'
import { subscribers } from './subscribers.ts'

const consumers = subscribers.map(({ name }) => name)

const JOBS = {
  relay,
  relayJobs,
  sweepReminders,
  sweepEventReminders,
  sweepSchedules,
  closeLostTurns,
  endLostEffects,
  sweepEffects,
  pruneQueueTables: (ctx: Ctx) => pruneQueueTables(ctx, consumers),
  pruneKeys,
  pruneSessions,
  tellDenials,
  pruneChallenges,
  pruneCodes,
  pruneSignInFlows,
  pruneApiKeys,
  pruneNotifications,
  sweepDeliveries,
  pruneLedger,
  eraseForgotten,
  eraseDrafts,
  pruneAnswers,
  runBatches,
  emptyBin,
  emptyCalendarBin,
  pruneOauthStates,
  pruneOauth,
  resealSecrets: (ctx: Ctx) => resealSecrets(ctx, sealedColumns),
  pruneMail,
  sendWebhooks: (ctx: Ctx) => sendDue(ctx),
  pruneDeliveries,
  startErasures,
  resumeExports,
  pruneExports,
  sweepErased,
  pruneNonces,
  pruneScheduleRuns,
  endLostRuns,
  pruneJobs,
  sweepSuggestions,
  sweepApproved,
  pruneSuggestions,
  emptyWorkflowBin,
  sweepTriggers,
  sweepRuns,
}

/** What every minute is for; one job's failure is its own. */
export async function runJobs(env: Env, runtime: ExecutionContext): Promise<void> {
  const ctx = makeCtx(env, runtime)
  await runCron(ctx, Object.fromEntries(Object.entries(JOBS).map(([job, work]) => [job, () => work(acting(ctx, job))])))
}
