import { and, type Column, eq, lt, sql } from 'drizzle-orm'
import type { Receipt } from '#ai'
import { concernsCommitments } from '#commitments'
import type { UserCtx } from '#core'
import { jsonObject, prepared } from '#database'
import { type Act, actRows, keepActs } from '#effects'
import { kick, tell } from '#queue'
import { shownMessage } from './conversations.ts'
import { messageSaid } from './heard.ts'
import type { TurnRequest } from './open.ts'
import type { Message, Part } from './schema.ts'
import { messages } from './tables.ts'
import type { RunResult } from './turn.ts'

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
  heard: number
  relayed: string
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
  const said = db.$with('said').as(
    db
      .select({
        id: messages.id,
        userId: messages.userId,
        answerId: sql<string>`${given.answerId}::text`.as('answer_id'),
      })
      .from(messages)
      .innerJoin(closed, and(eq(messages.turnId, closed.turnId), eq(messages.userId, closed.userId)))
      .where(and(eq(messages.role, 'user'), sql`${given.heard}::int = 1`)),
  )
  const heard = tell(db, 'heard', said, {
    kind: messageSaid,
    ...{ userId: said.userId, key: said.id, version: sql`1` },
    data: jsonObject({ questionId: said.id, answerId: said.answerId, isRelayed: sql`${given.relayed}::boolean` }),
  })
  return db
    .with(closed, ...keepActs(db, closed, sql`${given.acts}`), said, heard)
    .select({ message: shownMessage(closed), heardId: sql<string | null>`(select id from heard)` })
    .from(closed)
})

/**
 * Writes down how the turn ended; once closed, an answer is not closed again. Whoever listens is told of a question
 * that concerns them, or is not known here. One trip; undefined when it is gone.
 */
export async function closeTurn(
  ctx: Pick<UserCtx, 'actor' | 'db' | 'env' | 'now' | 'waitUntil' | 'log'>,
  answerId: string,
  { receipt, status, parts, acts, isTainted, errorCode, bill }: RunResult,
  question?: Pick<TurnRequest, 'text' | 'isBackground'>,
): Promise<Message | undefined> {
  const { json, eventIds } = actRows(acts ?? actsIn(parts, isTainted), answerId, ctx.now())
  const heard = question === undefined || concernsCommitments(question.text) ? 1 : 0
  const relayed = String(ctx.actor.key !== undefined || question?.isBackground === true)
  const said = { parts: JSON.stringify(parts), acts: json, tainted: String(isTainted), heard, relayed }
  const given = { answerId, userId: ctx.actor.userId, status, errorCode, ...said }
  const { isEstimated: _, ...told } = receipt ?? { ...NO_RECEIPT, isEstimated: false }
  const [[row]] = await Promise.all([closing(ctx.db, { ...told, ...given }), bill])
  if (row) kick(ctx, [...eventIds, row.heardId])
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

/** Marks answers whose turn was lost with its machine: none is left "streaming". What led to them nobody knows. */
export async function closeLostTurns(ctx: Pick<UserCtx, 'db'>): Promise<void> {
  await ctx.db
    .update(messages)
    .set({ status: 'interrupted', tainted: true, updatedAt: sql`now()` })
    .where(
      and(
        eq(messages.status, 'streaming'),
        lt(messages.updatedAt, sql`now() - interval '1 minute' * ${STALE_MINUTES}`),
      ),
    )
}
