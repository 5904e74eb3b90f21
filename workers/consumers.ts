import { consume, keepDeadLetters } from '#queue'
import { makeCtx } from './context.ts'
import { subscribers } from './subscribers.ts'

/** What came from a queue: events for their subscribers, or what none of them could do. */
export async function takeBatch(batch: MessageBatch, env: Env, runtime: ExecutionContext): Promise<void> {
  const ctx = makeCtx(env, runtime)
  if (batch.queue.endsWith('-dead')) await keepDeadLetters(ctx, batch.queue, batch.messages)
  else await consume(ctx, batch.messages, subscribers)
}
