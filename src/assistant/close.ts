import { and, eq, lt, sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { shownMessage } from './conversations.ts'
import type { Message } from './schema.ts'
import { messages } from './tables.ts'
import type { TurnResult } from './turn.ts'

const STALE_MINUTES = 15

/** Writes down how the turn ended; once closed, an answer is not closed again. One trip; undefined when it is gone. */
export async function closeTurn(
  ctx: Pick<UserCtx, 'actor' | 'db'>,
  answerId: string,
  result: TurnResult,
): Promise<Message | undefined> {
  const { receipt } = result
  const changed = {
    status: result.status,
    parts: result.parts,
    errorCode: result.errorCode,
    ...(receipt && {
      provider: receipt.provider,
      model: receipt.model,
      inputTokens: receipt.inputTokens,
      outputTokens: receipt.outputTokens,
      cacheReadTokens: receipt.cacheReadTokens,
      cacheWriteTokens: receipt.cacheWriteTokens,
      costMicros: receipt.costMicros,
      firstTokenMs: receipt.firstTokenMs,
      totalMs: receipt.totalMs,
    }),
    updatedAt: sql`now()`,
  }
  const [row] = await ctx.db
    .update(messages)
    .set(changed)
    .where(and(eq(messages.id, answerId), eq(messages.userId, ctx.actor.userId), eq(messages.status, 'streaming')))
    .returning({ message: shownMessage(messages) })
  return row?.message
}

/** Marks answers whose turn was lost with its machine: none is left "streaming". */
export async function closeLostTurns(ctx: Pick<UserCtx, 'db'>): Promise<void> {
  await ctx.db
    .update(messages)
    .set({ status: 'interrupted', updatedAt: sql`now()` })
    .where(
      and(
        eq(messages.status, 'streaming'),
        lt(messages.updatedAt, sql`now() - interval '1 minute' * ${STALE_MINUTES}`),
      ),
    )
}
