import { sql } from 'drizzle-orm'
import { AppError, derivedIds, type UserCtx } from '#core'
import { liveSession } from '#database'
import { nextTimes } from '#scheduler'
import type { Definition, Trigger } from './definition.ts'
import { openExpressions } from './expression.ts'
import { watchedBy } from './inputs.ts'
import { effectInputs } from './kinds.ts'
import { callsOf, cycleFrom } from './loops.ts'
import { whyAbsent } from './requirements.ts'
import { triggers, workflows, workflowVersions } from './tables.ts'
import { type Fault, faultsOf, parameterFault, pointerOf } from './validate.ts'
import { defaultsOf, filled, isTemporal, type Params, whenOf } from './when-of.ts'

export const MAX_WORKFLOWS = 100
/** All of a person's are looked at after an event. */
const MAX_CONDITIONS = 20
const SHOWN_TIMES = 5

export type CompileCtx = Pick<UserCtx, 'actor' | 'db' | 'now' | 'newId'>
/** A trigger as its row keeps it. */
export type NewTrigger = {
  id: string
  key: string
  kind: Trigger['kind']
  config: Trigger
  patterns: string[]
  nextAt: string | null
}
type Compiled = { params: Params; triggers: NewTrigger[]; zone: string }
/** What a definition is checked against: how many there are, and who calls whom. */
type Others = { zone: string; count: number; conditions: number; calls: { id: string; calls: string[] }[] | null }

/** The person's zone, and their other workflows. One trip. */
async function othersOf({ db, actor }: CompileCtx, id: string): Promise<Others> {
  const called = sql`jsonb_path_query_array(v.definition, '$.actions.** ? (@.do == "run_workflow").input.workflowId')
    || jsonb_path_query_array(v.definition, '$.suggestion.alternatives[*] ? (@.do == "run_workflow").input.workflowId')`
  const { rows } = await db.execute<Others>(sql`
    select person_zone(${actor.userId}) as zone, count(w.id)::int as count,
      coalesce(sum((select count(*) from ${triggers} t where t.workflow_id = w.id and t.kind = 'condition')), 0)::int as conditions,
      json_agg(json_build_object('id', w.id, 'calls', ${called})) filter (where w.id is not null) as calls
    from (select 1) one left join ${workflows} w on w.user_id = ${actor.userId} and w.deleted_at is null and w.id <> ${id}
    left join ${workflowVersions} v on v.workflow_id = w.id and v.version = w.definition_version
    where ${liveSession(actor) ?? sql`true`}`)
  const [row] = rows
  if (!row) throw new Error('an aggregate returned no row')
  return row
}

type Given = { definition: Definition; params: Params }

/** Everything wrong with it in which its person's other workflows have no part, with pointers into `{definition, params}`. */
export async function workflowFaults({ definition, params }: Given): Promise<Fault[]> {
  const found = await faultsOf(definition, effectInputs())
  const faults: Fault[] = found.map(({ pointer, detail }) => ({ pointer: `/definition${pointer}`, detail }))
  for (const [name, value] of Object.entries(params)) {
    const parameter = definition.parameters?.find((one) => one.name === name)
    const detail = parameter ? parameterFault(parameter, value) : 'is no parameter of this workflow'
    if (detail) faults.push({ pointer: `/params${pointerOf([name])}`, detail })
  }
  for (const [n, need] of (definition.requires ?? []).entries()) {
    const detail = whyAbsent(need)
    if (detail) faults.push({ pointer: `/definition/requires/${n}`, detail })
  }
  return faults
}

/** All that is wrong with it; what it needs where nothing is. */
async function judge(ctx: CompileCtx, input: Given & { id: string }) {
  const { definition, id } = input
  const [others, faults] = await Promise.all([othersOf(ctx, id), workflowFaults(input)])
  const params = { ...defaultsOf(definition.parameters ?? []), ...input.params }
  const conditions = definition.triggers.filter(({ kind }) => kind === 'condition').length
  if (conditions > 0 && conditions + others.conditions > MAX_CONDITIONS)
    faults.push({
      pointer: '/definition/triggers',
      detail: `there are ${MAX_CONDITIONS} conditions at most, of all workflows`,
    })
  const calls = new Map(others.calls?.map((other) => [other.id, other.calls]))
  const way = cycleFrom(id, callsOf(definition), calls)
  if (way)
    faults.push({ pointer: '/definition/actions', detail: `would call itself: ${way.join(' -> ')}`.slice(0, 300) })
  const triggers = faults.length > 0 ? [] : await triggersOf(ctx, definition, params, others.zone, faults)
  return { faults, params, triggers, zone: others.zone, count: others.count }
}

/** Throws `invalid_request` with every fault and its place. One trip. */
export async function compile(
  ctx: CompileCtx,
  input: { id: string; definition: Definition; params: Params; isNew: boolean },
): Promise<Compiled> {
  const { faults, count, ...compiled } = await judge(ctx, input)
  const [first] = faults
  if (first)
    throw new AppError('invalid_request', `${first.pointer}: ${first.detail}`.slice(0, 500), { errors: faults })
  if (input.isNew && count >= MAX_WORKFLOWS)
    throw new AppError('conflict', `There are ${MAX_WORKFLOWS} workflows already; delete one first`)
  return compiled
}

/** What is wrong, and when it would run; nothing is kept. One trip. */
export async function validateWorkflow(ctx: CompileCtx, input: { definition: Definition; params: Params }) {
  const { faults, triggers, zone } = await judge(ctx, { id: '', ...input })
  const next = triggers.flatMap(({ config }) => timesOf(config, zone, ctx.now(), SHOWN_TIMES))
  next.sort((a, b) => a.getTime() - b.getTime())
  const shown = next.slice(0, SHOWN_TIMES).map((at) => at.toISOString())
  return { valid: faults.length === 0, faults: faults.slice(0, 50), next: shown }
}

/** The next times of a trigger whose parameters are written in; a condition has its times of day. */
export function timesOf(config: Trigger, zone: string, after: Date, count: number): Date[] {
  if (config.kind === 'condition') {
    const times = (config.check ?? []).flatMap((time) => {
      const [hour, minute] = time.split(':')
      return nextTimes({ kind: 'cron', cron: `${Number(minute)} ${Number(hour)} * * *`, timeZone: zone }, after, count)
    })
    return times.sort((a, b) => a.getTime() - b.getTime()).slice(0, count)
  }
  if (!isTemporal(config)) return []
  const when = whenOf(config, zone)
  return typeof when === 'string' ? [] : nextTimes(when, after, count)
}

// Postgres keeps an object's names in an order of its own.
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  const parts = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`)
  return `{${parts.sort().join()}}`
}

// Not from the beginning of all time: at midnight everything would be due at once, for everybody.
const counted = (trigger: Trigger, now: Date): Trigger =>
  trigger.kind === 'every' && trigger.from === undefined ? { ...trigger, from: now.toISOString() } : trigger

// A change of one trigger leaves what is known of another alone; an address outlives a change of what it takes.
function keyOf(trigger: Trigger | string, made: ReadonlyMap<string, NewTrigger>): string {
  if (typeof trigger === 'string') return trigger
  const { kind } = trigger
  if (kind !== 'webhook' && kind !== 'manual' && kind !== 'workflow')
    return `${kind}:${derivedIds(canonical(trigger), new Date(0))('trg')}`
  return `${kind}:${[...made.values()].filter((one) => one.kind === kind).length + 1}`
}

async function triggersOf(ctx: CompileCtx, definition: Definition, params: Params, zone: string, faults: Fault[]) {
  const cel = await openExpressions()
  const made = new Map<string, NewTrigger>()
  for (const [n, trigger] of definition.triggers.entries()) {
    const written = filled(cel, trigger, params)
    const config = typeof written === 'string' ? written : counted(written, ctx.now())
    const when = typeof config === 'string' || !isTemporal(config) ? config : whenOf(config, zone)
    if (typeof config === 'string' || typeof when === 'string') {
      faults.push({ pointer: `/definition/triggers/${n}`, detail: typeof when === 'string' ? when : 'is no trigger' })
      continue
    }
    const key = keyOf(written, made)
    const [next] = timesOf(config, zone, ctx.now(), 1)
    made.set(key, {
      id: ctx.newId('trg'),
      key,
      kind: config.kind,
      config,
      patterns:
        config.kind === 'event' ? [config.type] : config.kind === 'condition' ? watchedBy(cel, config, definition) : [],
      nextAt: next?.toISOString() ?? null,
    })
  }
  return [...made.values()]
}
