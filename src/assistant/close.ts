import { and, type Column, eq, lt, sql } from 'drizzle-orm'
import type { Receipt } from '#ai'
import type { UserCtx } from '#core'
import { prepared } from '#database'
import { shownMessage } from './conversations.ts'
import type { Message } from './schema.ts'
import { messages } from './tables.ts'
import type { TurnResult } from './turn.ts'

const STALE_MINUTES = 15

type Shown = Omit<Receipt, 'isEstimated'>
type Told = { [K in keyof Shown]: Shown[K] | null }
type Closing = Told & { answerId: string; userId: string; status: string; parts: string; errorCode: string | null }

const NO_RECEIPT: Told = {
  callId: null,
  provider: null,
  model: null,
  inputTokens: null,
  outputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
  costMicros: null,
  firstTokenMs: null,
  totalMs: null,
}

// What no receipt says stays as it was.
const closing = prepared((db, given: Closing) => {
  const told = (column: Column, name: keyof Shown) => sql`coalesce(${given[name]}, ${column})`
  return db
    .update(messages)
    .set({
      status: sql`${given.status}`,
      parts: sql`${given.parts}::jsonb`,
      errorCode: sql`${given.errorCode}`,
      callId: told(messages.callId, 'callId'),
      provider: told(messages.provider, 'provider'),
      model: told(messages.model, 'model'),
      inputTokens: told(messages.inputTokens, 'inputTokens'),
      outputTokens: told(messages.outputTokens, 'outputTokens'),
      cacheReadTokens: told(messages.cacheReadTokens, 'cacheReadTokens'),
      cacheWriteTokens: told(messages.cacheWriteTokens, 'cacheWriteTokens'),
      costMicros: told(messages.costMicros, 'costMicros'),
      firstTokenMs: told(messages.firstTokenMs, 'firstTokenMs'),
      totalMs: told(messages.totalMs, 'totalMs'),
      updatedAt: sql`now()`,
    })
    .where(and(eq(messages.id, given.answerId), eq(messages.userId, given.userId), eq(messages.status, 'streaming')))
    .returning({ message: shownMessage(messages) })
})

/** Writes down how the turn ended; once closed, an answer is not closed again. One trip; undefined when it is gone. */
export async function closeTurn(
  { actor, db }: Pick<UserCtx, 'actor' | 'db'>,
  answerId: string,
  { receipt, status, parts, errorCode }: TurnResult,
): Promise<Message | undefined> {
  const given = { answerId, userId: actor.userId, status, parts: JSON.stringify(parts), errorCode }
  const { isEstimated: _, ...told } = receipt ?? { ...NO_RECEIPT, isEstimated: false }
  const [row] = await closing(db, { ...told, ...given })
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
