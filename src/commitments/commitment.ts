import { and, desc, eq, lt, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, s, toPage } from '#core'
import { ownedBy } from '#database'
import { withdrawSuggestion } from '#proactivity'
import { change, type ReadCtx, readCommitment, shown, type WriteCtx } from './row.ts'
import type { Commitment, CommitmentQuery } from './schema.ts'
import { commitments } from './tables.ts'

const LIST = 'commitments'
const CursorKey = z.tuple([s.id('cmt')])
const t = commitments

/** What the person said they would do, newest first. One trip. */
export async function listCommitments(ctx: ReadCtx, { limit, cursor, status }: CommitmentQuery) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const rows = await ctx.db
    .select({ commitment: shown(t) })
    .from(t)
    .where(
      and(
        ownedBy(ctx.actor, t.userId),
        status ? eq(t.status, status) : undefined,
        after === undefined ? undefined : lt(t.id, after),
      ),
    )
    .orderBy(desc(t.id))
    .limit(limit + 1)
  return toPage(
    rows.map((row) => row.commitment),
    limit,
    ({ id }) => encodeCursor(LIST, [id]),
  )
}

type Ended = { status: 'done' | 'dropped'; endedBy: NonNullable<Commitment['endedBy']> }
const REASONS: Record<Ended['endedBy'], string> = {
  person: 'You said of the commitment that it is over',
  task: 'The task of the commitment is completed',
  message: 'You said that it is done',
  mail: 'You sent the mail',
  suggestion: 'You decided about it',
}

/** Ends those that are open and meant; what was offered for them is taken back. */
export async function endThose(ctx: WriteCtx, where: SQL, ended: Ended): Promise<Commitment[]> {
  const over = await change(ctx, and(eq(t.status, 'open'), where), { ...ended, endedAt: ctx.now() })
  for (const { suggestionId } of over)
    if (suggestionId !== null) await withdrawSuggestion(ctx, suggestionId, REASONS[ended.endedBy])
  return over
}

/** The person says that it is done, or is not to be; saying it again changes nothing. */
export async function endCommitment(ctx: WriteCtx, id: string, status: Ended['status']): Promise<Commitment> {
  const [ended] = await endThose(ctx, eq(t.id, id), { status, endedBy: 'person' })
  if (ended) return ended
  const found = await readCommitment(ctx, id)
  if (found.status === status) return found
  throw new AppError('conflict', `The commitment is ${found.status}`)
}
