import { quote } from '#ai'
import { AppError, type UserCtx } from '#core'
import { type Recorded, recordingEffects } from '#effects'
import type { ActionOffer, Autonomy } from '#proactivity'
import { callOf } from './analyse.ts'
import type { Seen } from './dry.ts'
import { gather } from './gather.ts'
import type { Begun } from './ports.ts'
import { type Read, readWorkflow } from './read.ts'
import { redactionOf } from './redact.ts'
import type { Would } from './simulate-schema.ts'

type Act = Seen['acts'][number]

/** As a run of it would begin that somebody sets off by hand. */
export function begunOf(
  ctx: UserCtx,
  { workflow, definition }: Read,
  given: Pick<Begun, 'trigger' | 'isTainted'>,
): Begun {
  const { id, name, params } = workflow
  return {
    ...{ id: ctx.newId('run'), workflowId: id, name, definition, priority: definition.priority, params },
    ...{ ...given, triggerKind: 'manual', kept: {} },
  }
}

/** What a model may cost at most that this run asks. */
export async function costOf(ctx: UserCtx, run: Begun): Promise<{ model: string | null; mostMicros: number }> {
  const { analysis } = run.definition
  if (analysis?.kind !== 'model') return { model: null, mostMicros: 0 }
  return await quote(ctx, callOf(analysis, await gather(ctx, run), await redactionOf(ctx)))
}

/** What may be chosen instead, each done alone to what is there now. */
export async function alternativesOf(ctx: UserCtx, run: Begun, { suggestion }: Seen): Promise<Act[]> {
  const all = await Promise.all((suggestion?.alternatives ?? []).map((offer) => recordedOf(ctx, run, offer)))
  return all.flatMap((recorded, n) => {
    const offer = suggestion?.alternatives[n]
    return recorded && offer ? [{ ...recorded, says: offer.says, step: offer.id, tainted: suggestion.tainted }] : []
  })
}

async function recordedOf(ctx: UserCtx, { id, isTainted }: Begun, offer: ActionOffer): Promise<Recorded | undefined> {
  const recorder = recordingEffects(ctx)
  const { id: step, kind, input } = offer
  const origin = { kind: 'run' as const, runId: id, step }
  await recorder.perform({ kind, input, key: `instead:${step}`, origin, tainted: isTainted, isAgreed: true })
  return recorder.recorded[0]
}

/** As they are shown; the workflows that they run may ask models of their own. */
export async function shownActs(ctx: UserCtx, acts: Act[], levels: Autonomy[]): Promise<Would[]> {
  const most = new Map<string, Promise<number>>()
  const costs = acts.map(async (act) => {
    const target = act.kind === 'run_workflow' ? act.changes[0]?.target : null
    if (!target) return 0
    const cost = most.get(target) ?? calledCost(ctx, target)
    most.set(target, cost)
    return await cost
  })
  const mostMicros = await Promise.all(costs)
  return acts.map(({ step, kind, says, outward, reversible, changes }, n) => ({
    ...{ step, kind, says, outward, reversible, changes },
    ...{ autonomy: levels[n] ?? 'ask', mostMicros: mostMicros[n] ?? 0 },
  }))
}

async function calledCost(ctx: UserCtx, workflowId: string): Promise<number> {
  try {
    const read = await readWorkflow(ctx, workflowId)
    const run = begunOf(ctx, read, { trigger: { kind: 'workflow' }, isTainted: false })
    return (await costOf(ctx, run)).mostMicros
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return 0
    throw error
  }
}
