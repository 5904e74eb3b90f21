import { AppError, type Ctx } from '#core'
import { enqueue, type JobHandler, kick } from '#queue'
import { armSoon, deliverDue } from './deliver.ts'
import { overduePeople } from './ledger.ts'

const SWEEP_LIMIT = 200

type AskCtx = Pick<Ctx, 'db' | 'config' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>

/** Asks for what is due of these people, once for each of these times; answers of how many it was not asked before. */
async function ask(ctx: AskCtx, due: { userId: string; at: string }[]): Promise<number> {
  if (due.length === 0) return 0
  const made = due.map(({ userId, at }) => ({
    ...{ id: ctx.newId('job'), queue: 'notifications' as const, kind: 'deliver_notifications' },
    ...{ userId, ref: userId, key: `deliver:${userId}:${at}` },
  }))
  const asked = await enqueue(ctx.db, made)
  kick(ctx, asked)
  return asked.length
}

/** What a timer does: a service that hangs keeps no other timer waiting. */
export async function deliverSoon(ctx: AskCtx, { userId, id }: { userId: string; id: string }): Promise<void> {
  await ask(ctx, [{ userId, at: id }])
}

/** Makes what is due of a person. What a service put off fails the attempt, and is made by the next, not before its time. */
export const deliverNotifications: JobHandler = async (ctx, { ref }) => {
  const { putOff } = await deliverDue(ctx, { userId: ref })
  const [first] = putOff.toSorted((a, b) => a.retryAfterS - b.retryAfterS)
  if (!first) return
  const { reason, retryAfterS } = first
  throw new AppError('unavailable', `${putOff.length} not delivered: ${reason}`, {
    retryAfterS: Math.ceil(retryAfterS),
  })
}

/** Asks for what a lost timer or job left, once for each time it is left, and arms what is soon; answers of how many people. */
export async function sweepDeliveries(ctx: AskCtx): Promise<number> {
  const asked = await ask(ctx, await overduePeople(ctx, SWEEP_LIMIT))
  await armSoon(ctx)
  return asked
}
