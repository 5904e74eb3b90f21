import { setWASMModules } from 'argon2-wasm-edge'
import argon2WASM from 'argon2-wasm-edge/wasm/argon2.wasm'
import blake2bWASM from 'argon2-wasm-edge/wasm/blake2b.wasm'
import { pruneExports, resumeExports, startErasures } from '#account'
import { pruneAnswers, runBatches } from '#ai'
import { closeLostTurns } from '#assistant'
import { pruneSessions } from '#auth'
import { describeError } from '#core'
import { pruneMail } from '#email'
import { pruneOauthStates, resealSecrets } from '#integrations'
import { pruneApiKeys } from '#keys'
import { eraseForgotten } from '#memories'
import { pruneNotifications } from '#notifications'
import { consume, keepDeadLetters, pruneQueueTables, relay } from '#queue'
import { sweepReminders } from '#scheduler'
import { sweepErased } from '#search'
import { pruneKeys } from '#security'
import { emptyBin } from '#tasks'
import { app } from './app.ts'
import { makeCtx } from './context.ts'
import { subscribers } from './subscribers.ts'

export { ErasePerson } from './erase-person.ts'
export { ExportPerson } from './export-person.ts'
export { Steward } from './steward.ts'
export { UserSession } from './user-session.ts'

// Workers compile no WebAssembly at run time: the modules come with the bundle.
void setWASMModules({ argon2WASM, blake2bWASM })

const consumers = subscribers.map(({ name }) => name)

export default {
  fetch: app.fetch,
  async queue(batch, env, runtime) {
    const ctx = makeCtx(env, runtime)
    if (batch.queue.endsWith('-dead')) await keepDeadLetters(ctx, batch.queue, batch.messages)
    else await consume(ctx, batch.messages, subscribers)
  },
  async scheduled(_event, env, runtime) {
    const ctx = makeCtx(env, runtime)
    const jobs = {
      relay,
      sweepReminders,
      closeLostTurns,
      pruneQueueTables: (at: typeof ctx) => pruneQueueTables(at, consumers),
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
      startErasures,
      resumeExports,
      pruneExports,
      sweepErased,
    }
    await Promise.all(
      Object.entries(jobs).map(async ([job, run]) => {
        try {
          await run(ctx)
        } catch (error) {
          ctx.log.error('cron.failed', { job, ...describeError(error) })
        }
      }),
    )
  },
} satisfies ExportedHandler<Env>
