import { type Ctx, type DomainEvent, describeError, findAppError, type PersonActor } from '#core'
import type { Subscriber } from '#queue'
import { getMe, type Me } from '#users'
import { begin, type Claimed, claimDue, giveUp } from './claim.ts'
import { notificationAllRead, notificationCreated, notificationDeleted, notificationUpdated } from './events.ts'
import { acknowledge, overduePeople, reachable, recordPlans, settlePush, soonDue } from './ledger.ts'
import { mailDigest, mailOne } from './mails.ts'
import { heldUntil, planDeliveries, type Reached } from './plan.ts'
import { push, pushOf } from './push.ts'
import { getSettings } from './settings.ts'

// A Worker has six connections at once; one is left for the database.
const AT_ONCE = 5
const SWEEP_LIMIT = 200
const SECOND_MS = 1000
const AHEAD_MS = 90_000
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
  const seconds = new Set(due.map((at) => Math.ceil(Math.max(at.getTime(), nowMs) / SECOND_MS) * SECOND_MS))
  if (seconds.size === 0) return
  const timers = [...seconds].slice(0, 100).map((dueMs) => ({
    name: `delivery:${dueMs}`,
    dueMs,
    version,
    payload: { kind: 'delivery' as const, userId, id: String(dueMs) },
  }))
  // Not by the scheduler, which tells people of what is due by this room.
  const armed = await env.STEWARD.getByName(userId).arm(timers)
  if (!armed.ok) throw new Error(`the timer was refused: ${armed.reason}`)
}

/** Makes every delivery of a person that is due; answers how many it looked at. */
export async function deliverDue(ctx: DeliverCtx, { userId }: { userId: string }): Promise<number> {
  const person = await personOf(ctx, userId)
  if (!person) return 0
  const held = (priority: string) => heldUntil(person.reached, priority, ctx.now())
  const { claimed, taken, again } = await claimDue(ctx, userId, { urgent: held('urgent'), others: held('medium') })
  const of = (channel: Claimed['row']['channel']) => claimed.filter(({ row }) => row.channel === channel)
  const queue = of('push').values()
  const work = async () => {
    for (const one of queue) again.push(...(await pushOne(ctx, one)))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  for (const one of of('mail')) await noThrow(ctx, [one], () => mailOne(ctx, person.me, one))
  await noThrow(ctx, of('digest'), () => mailDigest(ctx, person.me, of('digest')))
  await armDeliveries(ctx, userId, again)
  return taken
}

// What could not be written down is claimed again after its lease, and is `unknown` then where it had begun.
async function noThrow(ctx: DeliverCtx, claimed: Claimed[], work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    ctx.log.error('delivery.unsettled', {
      deliveryId: claimed[0]?.row.id,
      deliveries: claimed.length,
      ...describeError(error),
    })
  }
}

/** The same without being waited for: a service that hangs keeps no other timer waiting. What fails is swept. */
export async function deliverSoon(ctx: DeliverCtx, { userId }: { userId: string }): Promise<void> {
  ctx.waitUntil(deliverOf(ctx, userId))
}

async function pushOne(ctx: DeliverCtx, claimed: Claimed): Promise<Date[]> {
  const again: Date[] = []
  await noThrow(ctx, [claimed], async () => {
    if (!claimed.device) return await giveUp(ctx, [claimed.row], 'nobody is signed in on the device')
    const begun = await begin(ctx, claimed)
    if (!begun) return
    const { row, told } = begun
    const outcome = await push(ctx, claimed.device, pushOf(told, row.id, row.purpose, ctx.now()))
    again.push(...[await settlePush(ctx, begun, outcome)].filter((at) => at !== null))
  })
  return again
}

// Where a timer of that second is known it is left as it is.
async function armAgain(ctx: DeliverCtx): Promise<void> {
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

/**
 * Arms again what is soon, makes what a lost timer left, and says of what was being pushed that nobody knows; answers of how
 * many people.
 */
export async function sweepDeliveries(ctx: DeliverCtx): Promise<number> {
  await armAgain(ctx)
  const people = await overduePeople(ctx, SWEEP_LIMIT)
  const queue = people.values()
  const work = async () => {
    for (const userId of queue) await deliverOf(ctx, userId)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return people.length
}

async function deliverOf(ctx: DeliverCtx, userId: string): Promise<void> {
  try {
    await deliverDue(ctx, { userId })
  } catch (error) {
    ctx.log.error('delivery.failed', { userId, ...describeError(error) })
  }
}
