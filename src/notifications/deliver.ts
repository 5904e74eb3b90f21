import { type Ctx, type DomainEvent, describeError, findAppError, inTime, type PersonActor } from '#core'
import type { Subscriber } from '#queue'
import { getMe, type Me } from '#users'
import { begin, type Claimed, claimDue, EARLY_MS, giveUp } from './claim.ts'
import { notificationAllRead, notificationCreated, notificationDeleted, notificationUpdated } from './events.ts'
import { acknowledge, LEASE_S, reachable, recordPlans, settlePush, soonDue } from './ledger.ts'
import { mailDigest, mailOne } from './mails.ts'
import { heldUntil, planDeliveries, type Reached } from './plan.ts'
import { push, pushOf } from './push.ts'
import { getSettings } from './settings.ts'

// A Worker has six connections at once; one is left for the database.
const AT_ONCE = 5
const SECOND_MS = 1000
const AHEAD_MS = 90_000
const STEWARD_MS = 5000
const SWEPT = 1000

type DeliverCtx = Pick<Ctx, 'db' | 'config' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>

const ofOne = new Set([notificationUpdated.type, notificationDeleted.type])

/** Plans how each notification goes, and notes what was seen: read on one device, it is taken from the others. */
export const deliverySubscriber: Subscriber = {
  name: 'deliveries',
  wants: (type) => type === notificationCreated.type || type === notificationAllRead.type || ofOne.has(type),
  async handle(ctx, events) {
    const [first] = events
    if (!first) return
    await plan(
      ctx,
      first.userId,
      events.filter(({ type }) => type === notificationCreated.type),
    )
    const changed = events.filter(({ type }) => type !== notificationCreated.type)
    if (changed.length === 0) return
    const isAll = changed.some(({ type }) => type === notificationAllRead.type)
    const isToClear = await acknowledge(ctx, first.userId, isAll ? null : changed.map(({ key }) => key))
    if (isToClear) await armDeliveries(ctx, first.userId, [ctx.now()])
  },
}

async function plan(ctx: DeliverCtx, userId: string, events: DomainEvent[]): Promise<void> {
  if (events.length === 0) return
  const [person, devices] = await Promise.all([personOf(ctx, userId), reachable(ctx, userId)])
  if (!person) return
  const plans = events.map(({ data }) => {
    const told = notificationCreated.data.parse(data)
    return { notificationId: told.id, planned: planDeliveries(told, person.reached, ctx.now()) }
  })
  await recordPlans(
    ctx,
    userId,
    plans,
    devices.map(({ id }) => id),
  )
  const waiting = plans.flatMap(({ planned }) =>
    planned.flatMap(({ channel, dueAt }) =>
      channel === 'socket' || (channel === 'push' && devices.length === 0) ? [] : [dueAt],
    ),
  )
  await armDeliveries(ctx, userId, waiting)
}

type Person = { me: Me; reached: Reached }

// Undefined: they were erased meanwhile.
async function personOf(ctx: DeliverCtx, userId: string): Promise<Person | undefined> {
  const actor: PersonActor = { kind: 'person', userId, sessionId: null }
  try {
    const [me, settings] = await Promise.all([getMe({ db: ctx.db, actor }), getSettings({ db: ctx.db, actor })])
    const { timeZone, quietHours } = me.preferences
    return { me, reached: { timeZone, quietHours, settings, isMailed: ctx.config.mail !== undefined } }
  } catch (error) {
    if (findAppError(error)?.code === 'not_found') return undefined
    throw error
  }
}

// One timer for each second in which something is due; whoever it wakes reads what that is.
async function armDeliveries(
  { env, now }: DeliverCtx,
  userId: string,
  due: Date[],
  version = now().getTime(),
): Promise<void> {
  const nowMs = now().getTime()
  const seconds = new Set(due.map((at) => secondOf(at.getTime(), nowMs)))
  if (seconds.size === 0) return
  const timers = [...seconds].slice(0, 100).map((dueMs) => ({
    name: `delivery:${dueMs}`,
    dueMs,
    version,
    payload: { kind: 'delivery' as const, userId, id: String(dueMs) },
  }))
  // Not by the scheduler, which tells people of what is due by this room.
  const armed = await inTime(STEWARD_MS, async () => await env.STEWARD.getByName(userId).arm(timers))
  if (!armed.ok) throw new Error(`the timer was refused: ${armed.reason}`)
}

// A second that has not come: of one that has, the job may be done.
const secondOf = (dueMs: number, nowMs: number) =>
  dueMs > nowMs ? Math.ceil(dueMs / SECOND_MS) * SECOND_MS : (Math.floor(nowMs / SECOND_MS) + 1) * SECOND_MS

/** What has to be tried again, and not before then. */
type PutOff = { reason: string; retryAfterS: number }

/** Makes every delivery of a person that is due; answers how many it looked at, and what of them is to be tried again. */
export async function deliverDue(
  ctx: DeliverCtx,
  { userId }: { userId: string },
): Promise<{ taken: number; putOff: PutOff[] }> {
  const putOff: PutOff[] = []
  const person = await personOf(ctx, userId)
  if (!person) return { taken: 0, putOff }
  const soon = new Date(ctx.now().getTime() + EARLY_MS - 1)
  const held = (priority: string) => heldUntil(person.reached, priority, soon)
  const { claimed, taken, again } = await claimDue(ctx, userId, { urgent: held('urgent'), others: held('medium') })
  const of = (channel: Claimed['row']['channel']) => claimed.filter(({ row }) => row.channel === channel)
  const queue = of('push').values()
  const work = async () => {
    for (const one of queue) await noThrow(ctx, [one], putOff, () => pushOne(ctx, one, { again, putOff }))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  for (const one of of('mail')) await noThrow(ctx, [one], putOff, () => mailOne(ctx, person.me, one))
  await noThrow(ctx, of('digest'), putOff, () => mailDigest(ctx, person.me, of('digest')))
  await armDeliveries(ctx, userId, again)
  return { taken, putOff }
}

// What could not be written down is claimed again after its lease, and is `unknown` then where it had begun.
async function noThrow(
  ctx: DeliverCtx,
  claimed: Claimed[],
  putOff: PutOff[],
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    const about = { deliveryId: claimed[0]?.row.id, deliveries: claimed.length }
    ctx.log.error('delivery.unsettled', { ...about, ...describeError(error) })
    putOff.push({ reason: 'it could not be written down', retryAfterS: LEASE_S })
  }
}

async function pushOne(ctx: DeliverCtx, claimed: Claimed, told: { again: Date[]; putOff: PutOff[] }): Promise<void> {
  if (!claimed.device) return await giveUp(ctx, [claimed.row], 'nobody is signed in on the device')
  const begun = await begin(ctx, claimed)
  if (!begun) return
  const { row } = begun
  const outcome = await push(ctx, claimed.device, pushOf(begun.told, row.id, row.purpose, ctx.now()))
  const at = await settlePush(ctx, begun, outcome)
  if (at === null) return
  if (outcome.kind !== 'later') told.again.push(at)
  else told.putOff.push({ reason: outcome.reason, retryAfterS: (at.getTime() - ctx.now().getTime()) / SECOND_MS })
}

/** Arms again what is soon due: a timer that was lost rings on time. Where one of that second is known it is left as it is. */
export async function armSoon(ctx: DeliverCtx): Promise<void> {
  const soon = await soonDue(ctx, new Date(ctx.now().getTime() + AHEAD_MS), SWEPT)
  const people = Map.groupBy(soon, ({ userId }) => userId).entries()
  const work = async () => {
    for (const [userId, theirs] of people)
      try {
        const due = theirs.map(({ dueAt }) => dueAt)
        await armDeliveries(ctx, userId, due, 1)
      } catch (error) {
        ctx.log.warn('timer.not_armed', { userId, timers: theirs.length, ...describeError(error) })
      }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}
