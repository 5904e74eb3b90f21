import { type Ctx, describeError, inTime } from '#core'
import { type NewTimer, type ReminderPayload, type RoomPayload, TimerPayload } from './schema.ts'

type Handler<P> = (ctx: Ctx, payload: P) => Promise<unknown>
/** What each kind of timer does when it is due, at least once; the shell lists them. What throws is tried again. */
export type TimerHandlers = { reminder: Handler<ReminderPayload> } & {
  [K in RoomPayload['kind']]?: Handler<RoomPayload>
}

/** Does what a due timer is for, by the kind of its payload. Throws: the timer is tried again. */
export async function runTimer(ctx: Ctx, timer: { payload: unknown }, handlers: TimerHandlers): Promise<void> {
  const payload = TimerPayload.parse(timer.payload)
  if (payload.kind === 'reminder') {
    await handlers.reminder(ctx, payload)
    return
  }
  const handle = handlers[payload.kind]
  if (!handle) throw new Error(`no room has timers of the kind ${payload.kind}`)
  await handle(ctx, payload)
}

/** Whether nothing has to be remembered of a timer that rang: it says when to look, and each moment has one of its own. */
export const isMomentary = ({ payload }: { payload: unknown }): boolean =>
  TimerPayload.safeParse(payload).data?.kind === 'delivery'

type ArmCtx = Pick<Ctx, 'env'>
const MAX_ARMED = 100
// One that hangs keeps a sweep no longer from the others.
const STEWARD_MS = 5000

/** Arms timers of a person; one whose version is known, or a newer one, is left as it is. Throws where it is refused. */
export async function armTimers(ctx: ArmCtx, userId: string, timers: NewTimer[]): Promise<void> {
  const steward = ctx.env.STEWARD.getByName(userId)
  for (let at = 0; at < timers.length; at += MAX_ARMED) {
    const armed = await inTime(STEWARD_MS, async () => await steward.arm(timers.slice(at, at + MAX_ARMED)))
    if (!armed.ok) throw new Error(`the timer was refused: ${armed.reason}`)
  }
}

/** How far ahead each sweep looks, once a minute: a timer that was lost a minute before its time rings on time. */
export const AHEAD_MS = 90_000
/** How much a sweep reads at once of what is late and of what is soon. */
export const SWEPT = 1000
// A Worker has six connections at once; one is left for the queue.
const PEOPLE_AT_ONCE = 5

/** Arms what waits as its rows say, in case it was lost: what is known is left as it is. What fails is left to the next sweep. */
export async function armAgain(ctx: ArmCtx & Pick<Ctx, 'log'>, timers: NewTimer[]): Promise<void> {
  const people = Map.groupBy(timers, ({ payload }) => payload.userId).entries()
  const work = async () => {
    for (const [userId, theirs] of people)
      try {
        await armTimers(ctx, userId, theirs)
      } catch (error) {
        ctx.log.warn('timer.not_armed', { userId, timers: theirs.length, ...describeError(error) })
      }
  }
  await Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, work))
}

/** Cancels this version of a timer and every older one, also one that arrives later. */
export async function cancelTimer(ctx: ArmCtx, userId: string, name: string, version: number): Promise<void> {
  await inTime(STEWARD_MS, async () => await ctx.env.STEWARD.getByName(userId).cancel(name, version))
}

/** Has a Steward look whether an alarm of its own was lost. */
export async function wakeSteward(ctx: ArmCtx, userId: string): Promise<void> {
  await inTime(STEWARD_MS, async () => await ctx.env.STEWARD.getByName(userId).wake())
}

const MAX_LISTED = 100
type WaitingTimer = { name: string; dueMs: number; version: number; attempts: number }

/** What waits, soonest first. */
export function listTimers(storage: SqlStorage): WaitingTimer[] {
  return storage
    .exec<WaitingTimer>(
      `select name, due_ms as "dueMs", version, attempts from timers
       where due_ms is not null order by due_ms, name limit ?`,
      MAX_LISTED,
    )
    .toArray()
}
