import { createHash } from 'node:crypto'
import { and, gte, inArray, type SQL, sql } from 'drizzle-orm'
import type { Config } from '#config'
import { AppError, type Ctx } from '#core'
import type { Kind } from './call.ts'
import type { ExperimentSide, Experiments } from './schema.ts'
import { usageEvents } from './tables.ts'

const SIDES = 10_000

type Place = { id: string; model: string; variant: 'variant' | 'control' }

/** The experiment a person's call of this kind belongs to, and on which side: always the same one. */
export function placeIn(config: Config, kind: Kind, userId: string): Place | undefined {
  const experiment = config.ai.experiments.find((one) => one.kind === kind)
  if (!experiment) return undefined
  const digest = createHash('sha256').update(`${experiment.id}\n${userId}`, 'utf8').digest()
  const side = digest.readUInt32BE(0) % SIDES
  const { id, model, share } = experiment
  return { id, model, variant: side < share * SIDES ? 'variant' : 'control' }
}

const DAY_MS = 24 * 3600_000
const SHOWN_DAYS = 30
const MOST_DAYS = 90
const NOTHING: ExperimentSide = {
  calls: 0,
  people: 0,
  costMicros: 0,
  meanCostMicros: null,
  firstTokenMs: null,
  totalMs: null,
  doneShare: null,
  failedShare: null,
  abortedShare: null,
  acceptedShare: null,
}

/**
 * What came of each declared experiment, side by side. A line of the ledger that bears a decision is one call: one that
 * was lost bears none, and its correction takes it back whole. Answers out of a cache say nothing of a model. One trip.
 */
export async function readExperiments(ctx: Pick<Ctx, 'config' | 'db' | 'now'>, since?: string): Promise<Experiments> {
  const nowMs = ctx.now().getTime()
  const from = since === undefined ? new Date(nowMs - SHOWN_DAYS * DAY_MS) : new Date(since)
  if (from.getTime() < nowMs - MOST_DAYS * DAY_MS)
    throw new AppError('invalid_request', `since must lie within the last ${MOST_DAYS} days`, {
      errors: [{ pointer: 'query/since', detail: 'too long ago' }],
    })
  const declared = ctx.config.ai.experiments
  const rows =
    declared.length === 0
      ? []
      : await readSides(
          ctx,
          declared.map(({ id }) => id),
          from,
        )
  const items = declared.map(({ id, kind, model, share }) => {
    const side = (variant: Place['variant']) =>
      rows.find((row) => row.id === id && row.variant === variant)?.side ?? NOTHING
    return { id, kind, model, share, variant: side('variant'), control: side('control') }
  })
  return { since: from.toISOString(), items }
}

async function readSides({ db }: Pick<Ctx, 'db'>, ids: string[], from: Date) {
  const e = usageEvents
  const id = sql<string>`(${e.decision} #>> '{experiment,id}')`
  const variant = sql<string>`(${e.decision} #>> '{experiment,variant}')`
  return await db
    .select({ id, variant, side: sideOf() })
    .from(e)
    .where(and(inArray(id, ids), gte(e.createdAt, from), inArray(e.cache, ['off', 'miss'])))
    .groupBy(id, variant)
}

function sideOf(): SQL<ExperimentSide> {
  const e = usageEvents
  const part = (condition: SQL, all: SQL = sql`true`) =>
    sql`(count(*) filter (where ${all} and ${condition}))::float8 / nullif(count(*) filter (where ${all}), 0)`
  const was = (outcome: string) => sql`${e.outcome} = ${outcome}::text`
  const percentile = (at: number, ms: SQL) =>
    sql`percentile_disc(${at}::float8) within group (order by ${ms}) filter (where ${was('done')})`
  const latency = (ms: SQL) => sql`case when count(${ms}) filter (where ${was('done')}) > 0
    then json_build_object('p50', ${percentile(0.5, ms)}, 'p95', ${percentile(0.95, ms)}) end`
  return sql`json_build_object(
    'calls', count(*),
    'people', count(distinct ${e.userId}),
    'costMicros', sum(${e.costMicros}),
    'meanCostMicros', round(avg(${e.costMicros})),
    'firstTokenMs', ${latency(sql`${e.firstTokenMs}`)},
    'totalMs', ${latency(sql`${e.totalMs}`)},
    'doneShare', ${part(was('done'))},
    'failedShare', ${part(was('failed'))},
    'abortedShare', ${part(was('aborted'))},
    'acceptedShare', ${part(was('done'), sql`${e.feature} = 'assistant'`)})`
}
