import { eq } from 'drizzle-orm'
import {
  AppError,
  bounded,
  describeError,
  findAppError,
  isRecord,
  type Plan,
  type ToolAnswer,
  type UserCtx,
} from '#core'
import { acting, databaseFailure } from '#database'
import { kick } from '#queue'
import { type EffectKind, planOf } from './kinds.ts'
import { MAX_SAYS, type Outcome } from './port.ts'
import { type Changes, changing, type EffectRow, eventOf, idsOf, tellOf, versionsOf } from './row.ts'
import { effects } from './tables.ts'

const MAX_OUTPUT = 4000
export const HERE = 'aurelius'
// What may work when it is tried again.
const PASSING: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'rate_limited', 'conflict', 'model_overloaded'])

/** The context of one act: its trips are counted as before, what it changes is told as its own, its ids are the same again. */
export function actingFor(ctx: UserCtx, row: EffectRow, tool: string, part = ''): UserCtx {
  const given = { ...ctx, isTainted: row.tainted }
  const own = acting(given, tool, part === '' ? row.id : `${row.id}.${part}`)
  return Object.assign(own, { newId: idsOf(row, part) })
}

/** Does what was claimed and writes down what came of it. Two trips. */
export async function carryOut(ctx: UserCtx, row: EffectRow, kind: EffectKind): Promise<Outcome> {
  const { tool } = kind
  const isAgain = row.attempts > 1
  // Whoever was at it died, and nobody can be asked how far they came.
  if (isAgain && !kind.isRepeatable && row.errorCode === null) return await fail(ctx, row, LOST, 'unknown')
  const planned = planOf(tool, row.input, row.before, idsOf(row))
  try {
    const answer = await tool.run(actingFor(ctx, row, tool.name), row.input)
    // A second attempt finds what the first one did, and not what was there before.
    return await keep(ctx, row, kind, answer, isAgain ? planned : (answer.plan ?? planned))
  } catch (error) {
    const known = findAppError(error) ?? databaseFailure(error)
    if (known?.code === 'session_ended') throw error
    // It was there when this was claimed: the first attempt took it.
    const isGone = known?.code === 'not_found' && planned.changes.some(({ before, after }) => before && !after)
    if (isAgain && isGone) return await keep(ctx, row, kind, { output: null }, planned)
    if (!known) ctx.log.error('effect.failed', { effectId: row.id, kind: row.kind, ...describeError(error) })
    const isLost = known?.code === 'timeout' && !kind.isRepeatable
    return await fail(ctx, row, known ?? BROKEN, isLost ? 'unknown' : 'failed')
  }
}

type Failure = { code: string; message: string }
const LOST = new AppError('timeout', 'It may have been done: whoever was at it was lost')
const BROKEN: Failure = { code: 'internal', message: 'This did not work' }

async function keep(
  ctx: UserCtx,
  row: EffectRow,
  { undoWindowMs }: EffectKind,
  { output, evidence }: ToolAnswer,
  { says, changes, undo }: Plan,
): Promise<Outcome> {
  const now = ctx.now()
  const here = { id: idIn(output) ?? changes[0]?.target ?? null, provider: HERE }
  const { id, provider } = evidence ?? here
  const isReversible = undo !== null && undoWindowMs !== null
  return await record(ctx, row, {
    ...doneAs({ says, changes, output }),
    undo: isReversible ? undo : null,
    undoUntil: isReversible ? new Date(now.getTime() + undoWindowMs) : null,
    found: versionsOf(row.before),
    ...{ before: null, evidenceId: id, provider, doneAt: now, isRetryable: false, error: null, errorCode: null },
  })
}

/** What of an act that was done its row says, within bounds. */
export function doneAs({ says, changes, output }: Pick<Plan, 'says' | 'changes'> & { output: unknown }) {
  return {
    status: 'done' as const,
    says: says.slice(0, MAX_SAYS).toWellFormed(),
    changes,
    output: bounded(output, MAX_OUTPUT),
    lefts: versionsOf(output),
  }
}

/** Of what a tool answered the id of the thing it is about. */
export function idIn(output: unknown): string | null {
  if (!isRecord(output)) return null
  const { id, task } = output
  return typeof id === 'string' ? id : idIn(task)
}

async function fail(ctx: UserCtx, row: EffectRow, { code, message }: Failure, status: 'failed' | 'unknown') {
  const error = message.slice(0, MAX_SAYS).toWellFormed()
  return await record(ctx, row, {
    status,
    errorCode: code,
    error,
    isRetryable: status === 'failed' && PASSING.has(code),
  })
}

async function record(ctx: UserCtx, row: EffectRow, set: Changes): Promise<Outcome> {
  const { db } = ctx
  const mine = row.holder === null ? undefined : eq(effects.holder, row.holder)
  const changed = changing(ctx, row.id, { ...set, holder: null, leaseUntil: null }, mine)
  const [saved] = await db.with(changed, tellOf(db, changed)).select().from(changed)
  if (!saved) return inProgress(row.id)
  kick(ctx, [eventOf(saved)])
  return outcomeOf(saved)
}

function inProgress(effectId: string): Outcome {
  const detail = 'This is being done by another'
  return { status: 'failed', effectId, code: 'idempotency_in_progress', detail, isRetryable: true }
}

/** What came of an effect, as its row says. */
export function outcomeOf(row: EffectRow): Outcome {
  const { id: effectId, says, output, status } = row
  switch (status) {
    case 'intended':
      return inProgress(effectId)
    case 'failed':
    case 'refused':
    case 'unknown': {
      const { errorCode, error, isRetryable } = row
      return { status, effectId, code: errorCode ?? 'internal', detail: error ?? '', isRetryable }
    }
    case 'cancelled': {
      const detail = 'It was taken back before it was done'
      return { status: 'refused', effectId, code: 'cancelled', detail, isRetryable: false }
    }
    case 'held':
    case 'done':
    case 'undoing':
    case 'undone':
      return {
        status: status === 'held' ? 'held' : 'done',
        effectId,
        says,
        output,
        evidence: { id: row.evidenceId, provider: row.provider },
        heldUntil: row.heldUntil?.toISOString() ?? null,
      }
  }
}
