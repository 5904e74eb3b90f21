import { z } from 'zod'
import { AppError, type DomainEvent, type UserCtx } from '#core'
import { effectKind, NOT_TAKEN, realEffects, recordingEffects } from '#effects'
import { type Came, type Carrier, type Due, failed, settleRun, waitingRuns } from '#scheduler'
import { autonomyOf, decideAutonomy } from './autonomy.ts'
import { readSuggestion } from './move.ts'
import { propose } from './propose.ts'
import { SCHEDULE_APPROVAL } from './reasons.ts'
import { suggestionCreated } from './row.ts'

const DAY_MS = 86_400_000

type Rules = Awaited<ReturnType<typeof autonomyOf>>
type Act = { do: string; input: Record<string, unknown> }

/**
 * Does an effect when a schedule is due. Who made the schedule said what is to be done: it is, unless its kind is never to be. What
 * goes out is done only where the person allowed that for its kind, and else proposed.
 */
export const effectCarrier: Carrier<'effect'> = {
  async check(ctx, act) {
    const recorder = recordingEffects(ctx)
    const outcome = await recorder.perform(asked(act, 'preview', 'preview', true))
    if ('code' in outcome) return [{ pointer: outcome.code === 'not_found' ? '/do' : '/input', detail: outcome.detail }]
    const changes = recorder.recorded.flatMap((would) => would.changes)
    const isAbout = effectKind(act.do)?.tool.state !== undefined && 'id' in act.input
    return isAbout && changes.every(({ before }) => before === null)
      ? [{ pointer: '/input/id', detail: 'there is nothing of this id' }]
      : []
  },
  async carryOut(ctx, due, act) {
    const kind = effectKind(act.do)
    if (!kind) return failed(due, 'not_found', `There is no kind of effect ${act.do}`)
    const { outward } = kind
    const rules = await autonomyOf(ctx)
    const level = decideAutonomy(rules, { kind: act.do, workflowId: null, outward, tainted: false })
    if (level === 'never') return failed(due, 'forbidden', `You said that ${act.do} is never to be done for you`)
    if (level === 'ask' && outward) return await ask(ctx, due, act)
    return await perform(ctx, due, act, { isAgreed: !outward, isTold: level !== 'act_silently' })
  },
}

function asked({ do: kind, input }: Act, key: string, scheduleRunId: string, isAgreed: boolean) {
  return { kind, input, key, origin: { kind: 'schedule' as const, scheduleRunId }, tainted: false, isAgreed }
}

async function perform(ctx: UserCtx, due: Due, act: Act, by: { isAgreed: boolean; isTold: boolean }): Promise<Came> {
  const { run } = due
  const outcome = await realEffects(ctx).perform(asked(act, `schedule:${run.id}`, run.id, by.isAgreed))
  if ('code' in outcome) {
    if (outcome.isRetryable) throw new AppError('unavailable', `${act.do}: ${outcome.detail}`)
    return failed(due, outcome.code, outcome.detail)
  }
  const { effectId, evidence, says, status } = outcome
  const came = { kind: 'effect' as const, id: effectId, evidence }
  // It ends when its effect does.
  if (status !== 'done') return { status: 'waiting', outcome: came }
  return doneWith(due, came, by.isTold ? says : null)
}

function doneWith({ schedule }: Due, outcome: Came['outcome'], says: string | null): Came {
  return { status: 'done', outcome, ...(says !== null && { note: { title: schedule.name, body: says } }) }
}

// What is held back for a while waits with its run until it is put before the person.
async function ask(ctx: UserCtx, due: Due, act: Act): Promise<Came | null> {
  const { run, schedule } = due
  const recorder = recordingEffects(ctx)
  const outcome = await recorder.perform(asked(act, run.id, run.id, true))
  const [would] = recorder.recorded
  if (!would) return 'code' in outcome ? failed(due, outcome.code, outcome.detail) : failed(due, 'internal', act.do)
  const { says, outward, reversible } = would
  const proposed = await propose(ctx, {
    ...{
      key: `schedule:${run.id}`,
      kind: SCHEDULE_APPROVAL,
      title: says.slice(0, 300),
      body: `Scheduled: ${schedule.name}`,
    },
    actions: [{ id: 'do', kind: act.do, input: act.input, says: says.slice(0, 500), outward, reversible }],
    alternatives: [],
    why: {
      ...{ trigger: `The schedule "${schedule.name}" was due`, facts: [], score: {}, rule: null, model: null },
      ...{ costMicros: 0, decisionId: null },
    },
    ...{ confidence: 1, priority: 'important', expiresAt: new Date(ctx.now().getTime() + DAY_MS).toISOString() },
    ...{ source: { kind: 'schedule', scheduleRunId: run.id }, tainted: false },
  })
  if (proposed.status === 'proposed') return putBefore(proposed.id)
  const { wakeAt } = await readSuggestion(ctx, proposed.id)
  const { reason } = proposed
  return wakeAt === null ? failed(due, reason, `It needs your OK, and you were not asked for it: ${reason}`) : null
}

const putBefore = (id: string): Came => ({ status: 'done', outcome: { kind: 'suggestion', id } })

export const EFFECT_UPDATED = 'effect.updated'
const ref = z.string().max(200)
const Asked = z.object({ id: ref, source: z.object({ kind: z.literal('schedule'), scheduleRunId: ref }) })
const Ended = z.object({
  id: ref,
  kind: ref,
  status: z.enum(['done', 'failed', 'unknown', 'cancelled']),
  says: z.string(),
  outward: z.boolean(),
  heldUntil: z.string().nullable(),
  evidence: z.object({ id: ref.nullable(), provider: ref.nullable() }),
  error: z.object({ code: z.string(), detail: z.string() }).nullable(),
  origin: z.object({ scheduleRunId: ref }),
})
type Ended = z.infer<typeof Ended>

/** Settles the runs that waited: what was held back is put before the person after all, what was under way has ended. */
export async function settleScheduled(ctx: UserCtx, events: DomainEvent[]): Promise<void> {
  const of = (wanted: string) => events.flatMap(({ type, data }) => (type === wanted ? [data] : []))
  const asked = of(suggestionCreated.type).flatMap((data) => Asked.safeParse(data).data ?? [])
  const ended = of(EFFECT_UPDATED).flatMap((data) => Ended.safeParse(data).data ?? [])
  const askedBy = new Map(asked.map(({ id, source }) => [source.scheduleRunId, id]))
  const endedBy = new Map(ended.map((effect) => [effect.origin.scheduleRunId, effect]))
  const ids = [...askedBy.keys(), ...endedBy.keys()]
  const dues = ids.length > 0 ? await waitingRuns(ctx, ids) : []
  if (dues.length === 0) return
  const rules = await autonomyOf(ctx)
  for (const due of dues) {
    const [suggestionId, effect] = [askedBy.get(due.run.id), endedBy.get(due.run.id)]
    if (suggestionId !== undefined) await settleRun(ctx, due, putBefore(suggestionId))
    else if (effect && isOver(effect)) await settleRun(ctx, due, cameOf(due, effect, rules))
  }
}

// What fails at once, neither held nor handed on, is for whoever carries it out to try again.
const isOver = ({ status, heldUntil, error }: Ended) =>
  status !== 'failed' || heldUntil !== null || error?.code === NOT_TAKEN

function cameOf(due: Due, { id, kind, outward, status, says, evidence, error }: Ended, rules: Rules): Came {
  if (status === 'done') {
    const level = decideAutonomy(rules, { kind, workflowId: null, outward, tainted: false })
    return doneWith(due, { kind: 'effect', id, evidence }, level === 'act_silently' ? null : says)
  }
  if (status !== 'cancelled') return failed(due, error?.code ?? status, error?.detail ?? '')
  // Whoever took it back need not be told.
  const detail = 'It was taken back before it was done'
  return { status: 'failed', outcome: { kind: 'failure', code: status, detail } }
}
