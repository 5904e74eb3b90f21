import { createHash } from 'node:crypto'
import type { Ctx } from '#core'
import { sendByApns } from './apns.ts'
import { addressOf } from './devices.ts'
import { sendByFcm } from './fcm.ts'
import type { Outcome, Push } from './outcome.ts'
import type { devices, notifications } from './tables.ts'
import { sendWebPush } from './web-push.ts'

const DAY_S = 86_400

export type Told = Pick<
  typeof notifications.$inferSelect,
  'id' | 'kind' | 'title' | 'body' | 'priority' | 'link' | 'actions' | 'collapseKey' | 'expiresAt'
>
type Device = Pick<typeof devices.$inferSelect, 'id' | 'userId' | 'kind' | 'address'>

const isPriority = (value: string): value is Push['priority'] =>
  ['low', 'medium', 'high', 'urgent'].some((known) => known === value)

/** What a device is told of a notification; with all its texts at their longest it fits into every service's 4096 bytes. */
export function pushOf(n: Told, deliveryId: string, purpose: 'show' | 'clear', now: Date): Push {
  const leftS = n.expiresAt ? Math.floor((n.expiresAt.getTime() - now.getTime()) / 1000) : DAY_S
  const topic = createHash('sha256')
    .update(n.collapseKey ?? n.id)
    .digest('base64url')
    .slice(0, 32)
  const about = { deliveryId, ttlS: Math.max(0, Math.min(DAY_S, leftS)), topic }
  if (purpose === 'clear') return { ...about, ttlS: DAY_S, priority: 'low', payload: { type: 'clear', id: n.id } }
  const { id, kind, title, body, priority, link } = n
  const actions = n.actions.map(({ id: actionId, label, method }) => ({ id: actionId, label, method }))
  const shown = { id, kind, title, body, priority, link, actions }
  return { ...about, priority: isPriority(priority) ? priority : 'medium', payload: { type: 'show', ...shown } }
}

/** Pushes to one device. Never throws: what fails before it is sent is refused. */
export async function push(ctx: Pick<Ctx, 'config' | 'now' | 'log'>, device: Device, message: Push): Promise<Outcome> {
  const { vapid, fcm, apns } = ctx.config.push
  try {
    const address = await addressOf(ctx, device)
    if (device.kind === 'web_push' && 'endpoint' in address && vapid)
      return await sendWebPush(ctx, vapid, address, message)
    if (device.kind === 'fcm' && 'token' in address && fcm) return await sendByFcm(ctx, fcm, address.token, message)
    if (device.kind === 'apns' && 'token' in address && apns) return await sendByApns(ctx, apns, address.token, message)
    return { kind: 'refused', reason: `${device.kind} is not configured` }
  } catch (error) {
    return { kind: 'refused', reason: error instanceof Error ? error.message.slice(0, 300) : 'it cannot be made' }
  }
}
