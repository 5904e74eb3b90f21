import { and, type Column, eq, lt, sql } from 'drizzle-orm'
import type { Receipt } from '#ai'
import type { UserCtx } from '#core'
import { prepared } from '#database'
import { type Act, actRows, keepActs } from '#effects'
import { kick } from '#queue'
import { shownMessage } from './conversations.ts'
import type { Message, Part } from './schema.ts'
import { messages } from './tables.ts'
import type { TurnResult } from './turn.ts'

const STALE_MINUTES = 15

type Shown = Omit<Receipt, 'isEstimated'>
type Told = { [K in keyof Shown]: Shown[K] | null }
type Closing = Told & {
  answerId: string
  userId: string
  status: string
  parts: string
  acts: string
  tainted: string
  errorCode: string | null
}

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
  const closed = db.$with('closed').as(
    db
      .update(messages)
      .set({
        status: sql`${given.status}`,
        parts: sql`${given.parts}::jsonb`,
        errorCode: sql`${given.errorCode}`,
        tainted: sql`${given.tainted}::boolean`,
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
      .returning(),
  )
  return db
    .with(closed, ...keepActs(db, closed, sql`${given.acts}`))
    .select({ message: shownMessage(closed) })
    .from(closed)
})

/** Writes down how the turn ended; once closed, an answer is not closed again. One trip; undefined when it is gone. */
export async function closeTurn(
  ctx: Pick<UserCtx, 'actor' | 'db' | 'env' | 'now' | 'waitUntil' | 'log'>,
  answerId: string,
  { receipt, status, parts, acts, isTainted, errorCode }: TurnResult,
): Promise<Message | undefined> {
  const { json, eventIds } = actRows(acts ?? actsIn(parts, isTainted), answerId, ctx.now())
  const said = { parts: JSON.stringify(parts), acts: json, tainted: String(isTainted) }
  const given = { answerId, userId: ctx.actor.userId, status, errorCode, ...said }
  const { isEstimated: _, ...told } = receipt ?? { ...NO_RECEIPT, isEstimated: false }
  const [row] = await closing(ctx.db, { ...told, ...given })
  if (row) kick(ctx, eventIds)
  return row?.message
}

// Of a turn that was lost with its machine: what was done and can be taken back.
function actsIn(parts: Part[], tainted: boolean): Act[] {
  const calls = new Map(parts.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.input]] : [])))
  return parts.flatMap((part) => {
    if (part.type !== 'tool_result' || part.isError || !part.undo) return []
    const { callId, name: tool, output, undo } = part
    return {
      callId,
      tool,
      input: calls.get(callId),
      answer: { output, undo: { ...undo, input: undo.input } },
      tainted,
      agreed: false,
    }
  })
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
