import { z } from 'zod'
import { AppError, type DomainEvent, type UserCtx } from '#core'
import { effectKind, realEffects, recordingEffects } from '#effects'
import { type Came, type Carrier, type Due, failed, settleRun, waitingRuns } from '#scheduler'
import { autonomyOf, decideAutonomy } from './autonomy.ts'
import { readSuggestion } from './move.ts'
import { propose } from './propose.ts'
import { SCHEDULE_APPROVAL } from './reasons.ts'
import { suggestionCreated } from './row.ts'

const DAY_MS = 86_400_000

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
  const { run, schedule } = due
  const outcome = await realEffects(ctx).perform(asked(act, `schedule:${run.id}`, run.id, by.isAgreed))
  if ('code' in outcome) {
    if (outcome.isRetryable) throw new AppError('unavailable', `${act.do}: ${outcome.detail}`)
    return failed(due, outcome.code, outcome.detail)
  }
  const { effectId, evidence, says } = outcome
  const came = { status: 'done' as const, outcome: { kind: 'effect' as const, id: effectId, evidence } }
  return by.isTold ? { ...came, note: { title: schedule.name, body: says } } : came
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

const ref = z.string().max(200)
const Asked = z.object({ id: ref, source: z.object({ kind: z.literal('schedule'), scheduleRunId: ref }) })

/** Settles the runs whose question was held back, once it is put before the person. */
export async function settleScheduled(ctx: UserCtx, events: DomainEvent[]): Promise<void> {
  const told = events.filter(({ type }) => type === suggestionCreated.type)
  const asked = told.flatMap(({ data }) => Asked.safeParse(data).data ?? [])
  const came = new Map(asked.map(({ id, source }) => [source.scheduleRunId, putBefore(id)]))
  await settleAll(ctx, came)
}

async function settleAll(ctx: UserCtx, came: Map<string, Came>): Promise<void> {
  if (came.size === 0) return
  for (const due of await waitingRuns(ctx, [...came.keys()])) {
    const one = came.get(due.run.id)
    if (one) await settleRun(ctx, due, one)
  }
}
