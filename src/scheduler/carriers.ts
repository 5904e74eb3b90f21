import { and, eq, exists, lt, sql } from 'drizzle-orm'
import { AppError, type Ctx, type FieldError, type PersonActor, type UserCtx } from '#core'
import { insertNotification } from '#notifications'
import { kick } from '#queue'
import type { ScheduleAction, ScheduleOutcome } from './action-schema.ts'
import { shown, shownRun } from './row.ts'
import type { Schedule, ScheduleRun } from './schema.ts'
import { scheduleRuns, schedules } from './tables.ts'

type Carried = Exclude<ScheduleAction['kind'], 'notify'>
type ActionOf<K extends Carried> = Extract<ScheduleAction, { kind: K }>
/** One time at which a schedule was due. */
export type Due = { run: ScheduleRun; schedule: Schedule }
/** `waiting`: it is under way, as what it shows. `note`: what its person is told of it. */
export type Came = {
  status: 'waiting' | 'done' | 'failed'
  outcome: ScheduleOutcome
  note?: { title: string; body: string }
}

/** A room that carries out a kind of action; the shell lists them. */
export type Carrier<K extends Carried> = {
  /** What is wrong with it, asked when it is saved by whoever saves it. Pointers into the action. */
  check(ctx: UserCtx, action: ActionOf<K>): Promise<FieldError[]>
  /** Does it for its person, once for each run however often it is asked. Null: it will be settled later. */
  carryOut(ctx: UserCtx, due: Due, action: ActionOf<K>): Promise<Came | null>
}
export type Carriers = { [K in Carried]: Carrier<K> }

/** Throws `invalid_request` where nobody could do it. */
export async function requireDoable(
  carriers: Carriers,
  ctx: UserCtx,
  action: ScheduleAction | undefined,
): Promise<void> {
  const faults = action ? (keyFault(ctx, action) ?? (await faultsOf(carriers, ctx, action))) : []
  const errors = faults.map(({ pointer, detail }) => ({ pointer: `/action${pointer}`, detail: detail.slice(0, 500) }))
  const [first] = errors
  if (first) throw new AppError('invalid_request', `${first.pointer}: ${first.detail}`.slice(0, 500), { errors })
}

// Done later, for its person, it would be held by no scope of the key, and marked as nobody else's words.
function keyFault({ actor }: UserCtx, { kind }: ScheduleAction): FieldError[] | null {
  if (!actor.key || kind === 'notify') return null
  return [{ pointer: '/kind', detail: `a key may not schedule ${kind}, only notify: a person signs in to do it` }]
}

async function faultsOf(carriers: Carriers, ctx: UserCtx, action: ScheduleAction): Promise<FieldError[]> {
  switch (action.kind) {
    case 'notify':
      return []
    case 'run_workflow':
      return await carriers.run_workflow.check(ctx, action)
    case 'ask_assistant':
      return await carriers.ask_assistant.check(ctx, action)
    case 'effect':
      return await carriers.effect.check(ctx, action)
  }
}

export async function carry(carriers: Carriers, ctx: UserCtx, due: Due): Promise<Came | null> {
  const { action } = due.schedule
  switch (action.kind) {
    case 'notify':
      return null
    case 'run_workflow':
      return await carriers.run_workflow.carryOut(ctx, due, action)
    case 'ask_assistant':
      return await carriers.ask_assistant.carryOut(ctx, due, action)
    case 'effect':
      return await carriers.effect.carryOut(ctx, due, action)
  }
}

/** That a run could not be carried out, and that its person is told so. */
export function failed({ schedule }: Due, code: string, detail: string): Came {
  const outcome = { kind: 'failure' as const, code: code.slice(0, 60), detail: detail.slice(0, 500) }
  return { status: 'failed', outcome, note: { title: `"${schedule.name}" could not be done`, body: outcome.detail } }
}

const MAX_TITLE = 300
const MAX_BODY = 500
const cut = (text: string, max: number) =>
  text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}\u2026`

type SettleCtx = Pick<UserCtx, 'actor' | 'db' | 'env' | 'now' | 'newId' | 'waitUntil' | 'log'>

/** Writes down what came of a run that waits, once, and tells its person, once: one commit. */
export async function settleRun(
  ctx: SettleCtx,
  { run, schedule }: Due,
  { status, outcome, note }: Came,
): Promise<void> {
  const { db, actor } = ctx
  const r = scheduleRuns
  const endedAt = status === 'waiting' ? null : ctx.now()
  const settled = db
    .update(r)
    .set({ status, outcome: sql`${JSON.stringify(outcome)}::jsonb`, endedAt })
    .where(and(eq(r.id, run.id), eq(r.userId, actor.userId), eq(r.status, 'waiting')))
  if (!note) {
    await settled
    return
  }
  const said = {
    ...noteOf(schedule, run),
    title: cut(note.title, MAX_TITLE),
    body: cut(note.body, MAX_BODY),
    priority: status === 'failed' ? ('high' as const) : ('medium' as const),
  }
  // Of one that was deleted meanwhile nobody is told.
  const isThere = exists(
    db
      .select({ id: r.id })
      .from(r)
      .where(and(eq(r.id, run.id), eq(r.status, status))),
  )
  const tells = insertNotification(db, actor, ctx.newId('ntf'), said, isThere)
  const [, [told]] = await db.batch([settled, tells])
  if (told) kick(ctx, [told.eventId, ...told.replaced])
}

/** What is told of a run, whatever it says: once for each. */
export const noteOf = ({ id }: Pick<Schedule, 'id'>, run: Pick<ScheduleRun, 'id' | 'dueAt'>) => ({
  kind: 'schedule' as const,
  link: { kind: 'schedule' as const, id },
  dedupeKey: `schedule:${run.id}`,
  scheduledAt: new Date(run.dueAt),
})

/** Those of a person's runs that wait to be carried out, with their schedules as they are now. One trip. */
export async function waitingRuns({ db, actor }: Pick<UserCtx, 'db' | 'actor'>, ids: string[]): Promise<Due[]> {
  const r = scheduleRuns
  const listed = sql`(select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`
  return await db
    .select({ run: shownRun(r), schedule: shown(schedules) })
    .from(r)
    .innerJoin(schedules, eq(schedules.id, r.scheduleId))
    .where(and(sql`${r.id} in ${listed}`, eq(r.userId, actor.userId), eq(r.status, 'waiting')))
    .orderBy(r.id)
}

const LOST_LIMIT = 50

/** Ends, with notice, what nobody carried out for a day; of what is under way whoever has it says more, but for a week. */
export async function endLostRuns(ctx: Ctx): Promise<void> {
  const r = scheduleRuns
  const patience = sql`case when ${r.outcome} is null then interval '1 day' else interval '7 days' end`
  const lost = await ctx.db
    .select({ userId: r.userId, run: shownRun(r), schedule: shown(schedules) })
    .from(r)
    .innerJoin(schedules, eq(schedules.id, r.scheduleId))
    .where(
      and(
        eq(r.status, 'waiting'),
        lt(r.startedAt, sql`now() - interval '1 day'`),
        lt(r.startedAt, sql`now() - ${patience}`),
      ),
    )
    .limit(LOST_LIMIT)
  for (const { userId, ...due } of lost) {
    const detail = due.run.outcome ? 'Nobody said what became of it' : 'It could not be done for a day'
    await settleRun(onBehalfOf(ctx, userId), due, failed(due, 'timeout', detail))
  }
  if (lost.length > 0) ctx.log.warn('schedule_runs.lost', { found: lost.length })
}

export const onBehalfOf = (ctx: Omit<UserCtx, 'actor'>, userId: string): UserCtx => {
  const actor: PersonActor = { kind: 'person', userId, sessionId: null }
  return { ...ctx, actor }
}
