import { z } from 'zod'
import type { UserCtx } from '#core'
import { listEffects, realEffects, recordingEffects, undoEffect } from '#effects'
import { notify } from '#notifications'
import { autonomyOf, decideAutonomy, gate, propose, settleRun } from '#proactivity'
import { oneLine, triggerWords } from './agree.ts'
import { analyse, hasEnded, leave } from './analyse.ts'
import { changedSince, gather, hashOf } from './gather.ts'
import { goOn } from './heed.ts'
import type { Decision, Notice, Question, Standing, World } from './ports.ts'
import { cut } from './reader.ts'
import {
  amendStep,
  answerStep,
  beginRun,
  decisionStep,
  endRun,
  type Holder,
  keepStep,
  markRun,
  noteFindings,
  saidTo,
} from './record.ts'

const PAGE = 100
const STANDING = new Set(['held', 'intended', 'sending', 'done', 'undoing', 'unknown'])

const Decided = z.object({ decision: z.enum(['approved', 'dismissed', 'expired']), actions: z.array(z.unknown()) })
const Offered = z.object({
  id: z.string(),
  kind: z.string(),
  input: z.record(z.string(), z.unknown()),
  says: z.string(),
  outward: z.boolean(),
  reversible: z.boolean(),
})
const Answered = z.object({ answer: z.string() })

/** What a step of a real run may do, as one instance of it. */
export function realWorld(ctx: UserCtx, holder: Holder): World {
  const { runId } = holder
  return {
    now: ctx.now,
    begin: () => beginRun(ctx, holder),
    gather: (run) => gather(ctx, run),
    gate: async (run, { hash, isTainted }, findings) => {
      const { definition, priority, workflowId, name } = run
      const kind = definition.suggestion?.kind ?? 'analysis'
      const factsHash = findings.length > 0 ? hashOf(hash, findings) : hash
      const needsModel = definition.analysis?.kind === 'model'
      const later = {
        ...{ runId, title: cut(`"${oneLine(name)}" has something to look into`, 300), trigger: triggerWords(run) },
        tainted: run.isTainted || isTainted,
      }
      const ask = { kind, factsHash, priority, needsModel, workflowId, askId: runId }
      const asked = await gate(ctx, needsModel ? { ...ask, later } : ask)
      return asked.open ? null : asked.reason
    },
    leave: (run, gathered) => leave(ctx, run, gathered),
    hasEnded: (left) => hasEnded(ctx, left),
    analyse: async (run, gathered, left) => {
      const analysed = await analyse(ctx, run, gathered, left)
      await noteFindings(ctx, holder, analysed)
      if (!left || analysed.findings.length === 0) return analysed
      return { ...analysed, changed: await changedSince(ctx, run, gathered) }
    },
    allow: async (acts) => {
      const rules = await autonomyOf(ctx)
      return acts.map((act) => decideAutonomy(rules, act))
    },
    rehearse: () => recordingEffects(ctx),
    propose: (suggestion) => propose(ctx, suggestion),
    decided: async (id) => readDecision(await saidTo(ctx, runId, decisionStep(id))),
    settle: (end, ids) => settleRun(ctx, runId, end, ids),
    goOn: (ids) => goOn(ctx, runId, ids),
    question: (question) => ask(ctx, holder, question),
    answered: async (step) => Answered.safeParse(await saidTo(ctx, runId, answerStep(step))).data?.answer ?? null,
    effects: realEffects(ctx),
    undo: (id) => undoEffect(ctx, id),
    standing: () => standingOf(ctx, runId),
    mark: (mark) => markRun(ctx, holder, mark),
    keep: (doing, found) => keepStep(ctx, holder, doing, found),
    amend: (doing) => amendStep(ctx, holder, doing),
    end: async (end) => void (await endRun(ctx, holder, end)),
    tell: (notice) => tell(ctx, runId, notice),
  }
}

function readDecision(said: unknown): Decision | null {
  const decided = Decided.safeParse(said).data
  if (!decided) return null
  return { decision: decided.decision, actions: decided.actions.flatMap((one) => Offered.safeParse(one).data ?? []) }
}

/** What a run did and what stands, the newest first. */
export async function standingOf(ctx: UserCtx, runId: string): Promise<Standing[]> {
  const standing: Standing[] = []
  // A run passes so many steps at most (`walk.ts`): this ends.
  for (let cursor: string | undefined; ; ) {
    const { items, nextCursor } = await listEffects(ctx, { runId, limit: PAGE, cursor })
    for (const { id, kind, says, status, origin } of items)
      if (STANDING.has(status)) standing.push({ effectId: id, step: origin.step ?? '', kind, says })
    if (nextCursor === null) return standing
    cursor = nextCursor
  }
}

/** What a run has done and still holds back, is not done. */
export async function cancelHeld(ctx: UserCtx, runId: string): Promise<void> {
  const { items } = await listEffects(ctx, { runId, status: 'held', limit: PAGE })
  for (const { id } of items) await undoEffect(ctx, id)
}

async function ask(ctx: UserCtx, { runId }: Holder, { step, question, expiresAt }: Question): Promise<void> {
  await notify(ctx, {
    kind: 'question',
    title: question,
    priority: 'high',
    link: { kind: 'run', id: runId },
    dedupeKey: `run-question:${runId}:${step}`,
    expiresAt: new Date(expiresAt),
  })
}

export async function tell(ctx: UserCtx, runId: string, { key, title, body, isAlert }: Notice): Promise<void> {
  const priority = isAlert ? 'high' : 'medium'
  await notify(ctx, { kind: 'run', title, body, priority, link: { kind: 'run', id: runId }, dedupeKey: key })
}
