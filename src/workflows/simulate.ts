import type { UserCtx } from '#core'
import { happenedSince } from '#queue'
import { nextTimes } from '#scheduler'
import { nowIn } from './cel-functions.ts'
import type { Trigger } from './definition.ts'
import { dryWorld } from './dry.ts'
import { openExpressions } from './expression.ts'
import { allowed } from './plan.ts'
import { familyOf, TAINTED } from './react.ts'
import { readWorkflow } from './read.ts'
import { cut } from './reader.ts'
import { runTasa } from './run.ts'
import { alternativesOf, begunOf, costOf, shownActs } from './simulate-acts.ts'
import type { Replay, Simulated, Simulation } from './simulate-schema.ts'
import { filled, isTemporal, type Params, whenOf } from './when-of.ts'

const DAY_MS = 86_400_000
const DAYS = 7
const MAX_TIMES = 1000
const MAX_SHOWN = 100
const TIMES_AT_ONCE = 100

/**
 * What the workflow would do now, and how often it would have been set off lately: the same engine over a port that only
 * writes down, and a database that refuses to be written.
 */
export async function simulateWorkflow(ctx: UserCtx, id: string, asked: Simulation): Promise<Simulated> {
  const read = await readWorkflow(ctx, id)
  const { workflow, triggers, zone } = read
  const { trigger = { kind: 'manual' }, answers = {}, askModel = false, days = DAYS } = asked
  const configs = triggers.map(({ config }) => config)
  const isTainted = (asked.trigger ? [asked.trigger] : configs).some(bringsOthersWords)
  const run = begunOf(ctx, read, { trigger, isTainted })
  const { port, seen } = dryWorld(ctx, run, { answers, askModel })
  let found: Simulated['findings'] = []
  let spentMicros = 0
  await runTasa({
    ...port,
    step: async (name, work) =>
      await port.step(name, async (world) => {
        const analyse: typeof world.analyse = async (...given) => {
          const analysed = await world.analyse(...given)
          found = analysed.findings
          spentMicros = analysed.costMicros
          return analysed
        }
        return await work({ ...world, analyse })
      }),
  })
  const { end } = seen
  if (!end) throw new Error('a simulation did not end')
  const instead = await alternativesOf(ctx, run, seen)
  const acts = [...seen.acts, ...instead]
  const kinds = acts.map(({ kind, outward, tainted }) => ({ kind, outward, tainted }))
  const levels = await port.step('levels', (world) => allowed(world, run, kinds))
  const shown = await shownActs(ctx, acts, levels)
  return {
    ...{ status: end.status, outcome: end.outcome, reason: end.reason ?? end.error?.detail.slice(0, 300) ?? null },
    findings: found,
    suggestion: seen.suggestion && pick(seen.suggestion),
    questions: seen.questions.map(({ step, question }) => ({ step, question })),
    waits: seen.waits,
    effects: shown.slice(0, seen.acts.length),
    alternatives: shown.slice(seen.acts.length),
    evidence: end.evidence,
    cost: { ...(await costOf(ctx, run)), spentMicros },
    replay: await replay(ctx, { triggers: configs, params: workflow.params, zone, days }),
  }
}

/** By which others speak: what a run does that they set off is asked about. */
function bringsOthersWords({ kind, type }: Record<string, unknown>): boolean {
  return kind === 'webhook' || (kind === 'event' && typeof type === 'string' && TAINTED.has(familyOf(type)))
}

const pick = ({ kind, title, body }: { kind: string; title: string; body: string }) => ({ kind, title, body })

type Past = { triggers: Trigger[]; params: Params; zone: string; days: number }
type Firing = Replay['firings'][number]

/** How often what happened lately, and the times that passed, would have set it off. */
async function replay(ctx: UserCtx, { triggers, params, zone, days }: Past): Promise<Replay> {
  const since = new Date(ctx.now().getTime() - days * DAY_MS)
  const firings: Firing[] = []
  const untold = new Set<string>()
  for (const trigger of triggers) {
    if (isTemporal(trigger)) firings.push(...(await timesSince(ctx, trigger, params, zone, since)))
    else if (trigger.kind === 'event') firings.push(...(await eventsSince(ctx, trigger, params, zone, since)))
    else untold.add(trigger.kind)
  }
  const inOrder = firings.toSorted((a, b) => (a.at < b.at ? 1 : -1))
  return {
    since: since.toISOString(),
    times: Math.min(MAX_TIMES, firings.length),
    firings: inOrder.slice(0, MAX_SHOWN),
    untold: [...untold],
  }
}

type Temporal = Parameters<typeof whenOf>[0]

async function timesSince(ctx: UserCtx, trigger: Temporal, params: Params, zone: string, since: Date) {
  const placed = filled(await openExpressions(), trigger, params)
  const when = typeof placed === 'string' ? placed : whenOf(placed, zone)
  if (typeof when === 'string') return []
  const now = ctx.now()
  const times: Firing[] = []
  let after = since
  while (times.length < MAX_TIMES) {
    const next = nextTimes(when, after, TIMES_AT_ONCE).filter((at) => at <= now)
    for (const at of next) times.push({ at: at.toISOString(), kind: trigger.kind, says: 'The time had come' })
    const last = next.at(-1)
    if (!last || next.length < TIMES_AT_ONCE) break
    after = last
  }
  return times
}

type OfEvents = Extract<Trigger, { kind: 'event' }>

async function eventsSince(ctx: UserCtx, { type, when }: OfEvents, params: Params, zone: string, since: Date) {
  const happened = await happenedSince(ctx, type, since, MAX_TIMES)
  const cel = await openExpressions()
  return happened.flatMap((event): Firing[] => {
    const at = new Date(event.at)
    const trigger = {
      kind: 'event',
      type: event.type,
      id: event.id,
      at: event.at,
      subject: event.key,
      data: event.data,
    }
    if (when !== undefined) {
      const held = cel.holds(when, cel.scope({ params, trigger, now: nowIn(at, zone) }))
      if (!held.ok || !held.value) return []
    }
    return [{ at: at.toISOString(), kind: 'event', says: cut(`${event.type} ${event.key}`, 500) }]
  })
}
