import { eq, type SQL } from 'drizzle-orm'
import {
  AppError,
  bounded,
  describeError,
  findAppError,
  isRecord,
  type Plan,
  type Tool,
  type ToolAnswer,
  type UserCtx,
} from '#core'
import { acting, databaseFailure } from '#database'
import { kick } from '#queue'
import { armHold } from './hold.ts'
import { type EffectKind, planOf } from './kinds.ts'
import { MAX_SAYS, type Outcome } from './port.ts'
import { type Changes, changing, type EffectRow, eventOf, idsOf, lookAgain, tellOf, versionsOf } from './row.ts'
import { effects } from './tables.ts'

const MAX_OUTPUT = 4000
export const HERE = 'aurelius'
// What may work when it is tried again, besides what says when.
const PASSING: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'rate_limited', 'model_overloaded'])
const NOBODY = { id: null, provider: null }
const MAX_TRIES = 8
const FIRST_DELAY_MS = 30_000
const MAX_DELAY_MS = 900_000

/** The context of one act: its trips are counted as before, what it changes is told as its own, its ids are the same again. */
export function actingFor(ctx: UserCtx, row: EffectRow, tool: string, part = ''): UserCtx {
  const given = { ...ctx, isTainted: row.tainted }
  const own = acting(given, tool, part === '' ? row.id : `${row.id}.${part}`)
  return Object.assign(own, { newId: idsOf(row, part) })
}

/** Does what was claimed and writes down what came of it. Two trips, a third where it only hands on. */
export async function carryOut(ctx: UserCtx, row: EffectRow, kind: EffectKind): Promise<Outcome> {
  const { tool } = kind
  const isAgain = row.attempts > 1
  // Whoever died at it cannot be asked how far they came.
  if (isAgain && !kind.isRepeatable && row.errorCode === null) return await fail(ctx, row, LOST, 'unknown')
  const planned = planOf(tool, row.input, row.before, idsOf(row))
  let answer: ToolAnswer
  try {
    answer = await tool.run(actingFor(ctx, row, tool.name), row.input)
  } catch (error) {
    const known = findAppError(error) ?? databaseFailure(error)
    if (known?.code === 'session_ended') throw error
    // It was there when this was claimed: the first attempt took it.
    const isGone = known?.code === 'not_found' && planned.changes.some(({ before, after }) => before && !after)
    if (!isAgain || !isGone) {
      if (!known) ctx.log.error('effect.failed', { effectId: row.id, kind: row.kind, ...describeError(error) })
      const isLost = known?.code === 'timeout' && !kind.isRepeatable
      return await fail(ctx, row, known ?? BROKEN, isLost ? 'unknown' : 'failed')
    }
    answer = { output: null }
  }
  // A second attempt finds what the first one did, and not what was there before. What was done and cannot be written
  // down stays as it is, to be found again.
  return await keep(ctx, row, kind, answer, isAgain ? planned : (answer.plan ?? planned))
}

type Failure = { code: string; message: string; retryAfterS?: number | undefined }
const LOST = new AppError('timeout', 'It may have been done: whoever was at it was lost')
/** Of what was handed on and came back. */
export const NOT_TAKEN = 'not_taken'
const BROKEN: Failure = { code: 'internal', message: 'This did not work' }

async function keep(
  ctx: UserCtx,
  row: EffectRow,
  { tool, undoWindowMs }: EffectKind,
  { output, evidence }: ToolAnswer,
  { says, changes, undo }: Plan,
): Promise<Outcome> {
  const now = ctx.now()
  const here = { id: idIn(output) ?? changes[0]?.target ?? null, provider: HERE }
  const { id, provider } = tool.fate ? NOBODY : (evidence ?? here)
  const isReversible = undo !== null && undoWindowMs !== null
  const saved = await record(ctx, row, {
    ...doneAs({ says, changes, output }),
    ...(tool.fate ? { status: 'sending', leaseUntil: lookAgain() } : { leaseUntil: null, doneAt: now }),
    undo: isReversible ? undo : null,
    undoUntil: isReversible ? new Date(now.getTime() + undoWindowMs) : null,
    found: versionsOf(row.before),
    ...{ before: null, evidenceId: id, provider, isRetryable: false, error: null, errorCode: null },
  })
  if (!saved) return inProgress(row.id)
  // Whoever took it may have said so before this was written down.
  return outcomeOf((tool.fate && (await endSent(ctx, saved, tool))) ?? saved)
}

/** Writes down what whoever took it says of what was handed on; undefined while they say nothing. */
export async function endSent(ctx: UserCtx, row: EffectRow, { fate }: Tool): Promise<EffectRow | undefined> {
  const told = await fate?.(ctx, row.output)
  if (!told) return undefined
  const { status, evidence, detail, output } = told
  const ended = { status, output: bounded(output, MAX_OUTPUT), evidenceId: evidence.id, provider: evidence.provider }
  const why = { errorCode: status === 'unknown' ? 'timeout' : NOT_TAKEN, error: cut(detail), isRetryable: false }
  const set = { ...ended, leaseUntil: null, ...(status === 'done' ? { doneAt: ctx.now() } : why) }
  return await save(ctx, row.id, set, eq(effects.status, 'sending'))
}

/** What of an act that was done its row says, within bounds. */
export function doneAs({ says, changes, output }: Pick<Plan, 'says' | 'changes'> & { output: unknown }) {
  return {
    status: 'done' as const,
    says: cut(says),
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

async function fail(ctx: UserCtx, row: EffectRow, failure: Failure, status: 'failed' | 'unknown'): Promise<Outcome> {
  const { code, message, retryAfterS } = failure
  const isPassing = status === 'failed' && (PASSING.has(code) || retryAfterS !== undefined)
  const why = { errorCode: code, error: cut(message), isRetryable: isPassing, leaseUntil: null }
  // Nobody else would come back to what was held: it is held again.
  const isHeld = isPassing && row.heldUntil !== null && row.attempts < MAX_TRIES
  const delayMs = code === 'rate_limited' ? MAX_DELAY_MS : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** row.attempts)
  const heldUntil = new Date(ctx.now().getTime() + delayMs)
  const saved = await record(ctx, row, { ...why, ...(isHeld ? { status: 'held', heldUntil } : { status }) })
  if (saved?.status === 'held') armHold(ctx, saved)
  return saved ? outcomeOf(saved) : inProgress(row.id)
}

const cut = (text: string) => text.slice(0, MAX_SAYS).toWellFormed()

/** Of what this attempt holds. */
async function record(ctx: UserCtx, row: EffectRow, set: Changes): Promise<EffectRow | undefined> {
  const mine = row.holder === null ? undefined : eq(effects.holder, row.holder)
  return await save(ctx, row.id, { ...set, holder: null }, mine)
}

/** Changes one effect of the person's where this holds, and tells of it. One trip; undefined where it does not. */
export async function save(
  ctx: UserCtx,
  id: string,
  set: Changes,
  where: SQL | undefined,
): Promise<EffectRow | undefined> {
  const { db } = ctx
  const changed = changing(ctx, id, set, where)
  const [saved] = await db.with(changed, tellOf(db, changed)).select().from(changed)
  if (saved) kick(ctx, [eventOf(saved)])
  return saved
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
    case 'sending':
    case 'done':
    case 'undoing':
    case 'undone':
      return {
        status: status === 'held' || status === 'sending' ? status : 'done',
        effectId,
        says,
        output,
        evidence: { id: row.evidenceId, provider: row.provider },
        heldUntil: row.heldUntil?.toISOString() ?? null,
      }
  }
}
