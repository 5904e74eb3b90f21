import { and, eq, ne, or, sql } from 'drizzle-orm'
import { readBudget } from '#ai'
import type { UserCtx } from '#core'
import { iso, jsonObject, ownedBy, ownerId } from '#database'
import { fingerprintOf } from './alike.ts'
import { type JudgeCtx, scoreOf, weigh } from './judge.ts'
import { limitsOf } from './limits.ts'
import { putOff } from './propose.ts'
import { closedBy } from './reasons.ts'
import type { NewSuggestion, Priority, Silence, WithheldReason } from './schema.ts'
import { isUnsaid, standingOf } from './standing.ts'
import { suggestionGates } from './tables.ts'

/** `askId`: the same asker again (a step that is done again) is answered the same. */
export type GateAsk = {
  kind: string
  factsHash: string
  priority: Priority
  needsModel: boolean
  workflowId: string | null
  askId?: string
  /** What is kept where a limit forbids it now: the run is begun again when it is over. */
  later?: Later
}
type Later = { runId: string; title: string; trigger: string; tainted: boolean }
export type Gate = { open: true } | { open: false; reason: WithheldReason }
type GateCtx = JudgeCtx

const g = suggestionGates
const WEEK_MS = 7 * 24 * 3_600_000

/**
 * Before a model is asked or anything is said: the reason not to, which is kept. Facts that were looked into are not
 * looked into again until they are others. Three trips, five where what is to be asked later is kept; two Stewards' at most.
 */
export async function gate(ctx: GateCtx, ask: GateAsk): Promise<Gate> {
  const stands = await standingOf(ctx, ask.kind, ask)
  const reason = await reasonNotTo(ctx, ask, stands)
  if (reason === null && (await claim(ctx, ask))) return { open: true }
  const why = reason ?? 'nothing_new'
  await noteSilence(ctx, ask, why)
  if (ask.later) await keepForLater(ctx, ask, ask.later, why, stands)
  return { open: false, reason: why }
}

type Stands = Awaited<ReturnType<typeof standingOf>>

async function reasonNotTo(ctx: GateCtx, ask: GateAsk, stands: Stands): Promise<WithheldReason | null> {
  const { kind, factsHash, priority, askId } = ask
  const { standing, moment, lookedAt } = stands
  if (askId !== undefined && lookedAt?.askId === askId) return null
  if (lookedAt?.factsHash === factsHash) return 'nothing_new'
  // What costs nothing is put into words first, and kept with its reason where it is not said.
  if (!ask.needsModel || stands.isWanted) return null
  const { settings } = standing
  if (settings.muted.includes(kind)) return 'muted'
  const closed = closedBy(standing, ask, ctx.now())
  if (closed) return closed
  if (priority !== 'urgent' && !(await weigh(ctx, kind, moment)).speak) return 'learned'
  return (await isSpent(ctx)) ? 'budget' : null
}

async function isSpent(ctx: GateCtx): Promise<boolean> {
  const { isPaused, background } = await readBudget(ctx)
  return isPaused || background.day.leftMicros <= 0 || background.month.leftMicros <= 0
}

/** Keeps that a model is to be asked, once for the same facts, until what forbids it is over; what does not end is only counted. */
async function keepForLater(ctx: GateCtx, ask: GateAsk, later: Later, reason: WithheldReason, stands: Stands) {
  const { kind, priority, workflowId, factsHash } = ask
  const { standing, moment, timeZone } = stands
  const limits = limitsOf(standing, ask, { now: ctx.now(), date: moment.date, timeZone })
  if (!limits.ends[reason]) return
  const { runId, title, trigger, tainted } = later
  // What has no words yet does not get old, whatever holds it back next.
  const expiresAt = new Date(ctx.now().getTime() + WEEK_MS).toISOString()
  const why = { trigger, facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null }
  const offer: NewSuggestion = {
    ...{ key: ctx.newId('sug'), kind, title, body: '', actions: [], alternatives: [], why },
    ...{ confidence: 0, priority, expiresAt, source: { kind: 'analysis', runId }, tainted, workflowId },
  }
  const fingerprint = fingerprintOf(kind, `${workflowId} ${factsHash}`, [])
  await putOff(ctx, offer, fingerprint, { reason, wakeAt: null, score: scoreOf(offer), moment, limits })
}

// Of two that ask at once about the same facts one finds them looked into.
async function claim(ctx: GateCtx, { kind, workflowId, factsHash, ...ask }: GateAsk): Promise<boolean> {
  const { actor, db } = ctx
  const askId = ask.askId ?? null
  const opened = { factsHash, askId, openedAt: ctx.now(), closed: 0, closedAt: null, reason: null }
  const isSame = askId === null ? undefined : eq(g.askId, askId)
  const isNew = or(sql`${g.factsHash} is distinct from ${factsHash}`, isUnsaid(ctx), isSame)
  const rows = await db
    .insert(g)
    .values({ ...opened, userId: ownerId(actor), kind, workflowId: workflowId ?? '' })
    .onConflictDoUpdate({ target: [g.userId, g.kind, g.workflowId], set: opened, setWhere: isNew })
    .returning({ kind: g.kind })
  return rows.length > 0
}

async function noteSilence(ctx: GateCtx, { kind, workflowId }: GateAsk, reason: WithheldReason): Promise<void> {
  const { actor, db } = ctx
  const closedAt = ctx.now()
  await db
    .insert(g)
    .values({ userId: ownerId(actor), kind, workflowId: workflowId ?? '', reason, closedAt, closed: 1 })
    .onConflictDoUpdate({
      target: [g.userId, g.kind, g.workflowId],
      set: { reason, closedAt, closed: sql`${g.closed} + 1` },
    })
}

/** Where nothing was even thought of, and why, the latest first. One trip. */
export async function listSilences({ actor, db }: Pick<UserCtx, 'actor' | 'db'>): Promise<{ items: Silence[] }> {
  const silence = jsonObject<Silence>({
    kind: g.kind,
    workflowId: sql`nullif(${g.workflowId}, '')`,
    reason: g.reason,
    times: g.closed,
    at: iso(g.closedAt),
  })
  const rows = await db
    .select({ silence })
    .from(g)
    .where(and(ownedBy(actor, g.userId), ne(g.closed, 0)))
    .orderBy(sql`${g.closedAt} desc`)
    .limit(500)
  return { items: rows.map((row) => row.silence) }
}
