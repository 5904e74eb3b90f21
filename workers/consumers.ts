import { consume, type JobQueue, keepDeadLetters, takeJobs } from '#queue'
import { makeCtx } from './context.ts'
import { handlers } from './jobs.ts'
import { subscribers } from './subscribers.ts'

const isOfJobs = (queue: string): queue is JobQueue => Object.hasOwn(handlers, queue)

/** What came from a queue: events for their subscribers, jobs for their handlers, or what none of them could do. */
export async function takeBatch(batch: MessageBatch, env: Env, runtime: ExecutionContext): Promise<void> {
  const ctx = makeCtx(env, runtime)
  const queue = batch.queue.replace(/^aurelius-/, '')
  if (batch.queue.endsWith('-dead')) await keepDeadLetters(ctx, batch.queue, batch.messages)
  else if (isOfJobs(queue)) await takeJobs(ctx, queue, batch.messages, handlers[queue])
  else await consume(ctx, batch.messages, subscribers)
}
