import { cronTimes, quietUntil } from '#core'
import type { Settings } from './reach-schema.ts'

type Channel = 'socket' | 'push' | 'mail' | 'digest'
export type Planned = { channel: Channel; dueAt: Date }
/** What of a person says when they are told. */
export type Reached = {
  timeZone: string
  quietHours: { from: string; to: string } | null
  settings: Settings
  /** Whether any mail is sent here. */
  isMailed: boolean
}

const SECOND_MS = 1000
const MINUTE_MS = 60_000

/** When whoever is told this may be told; null: now. What is urgent breaks through where the person said so. */
export function heldUntil({ timeZone, quietHours, settings }: Reached, priority: string, at: Date): Date | null {
  if (priority === 'urgent' && settings.urgentBreaksQuiet) return null
  return quietUntil(quietHours, timeZone, at)
}

/**
 * By which ways a notification goes, and when if nobody has seen it by then: a socket, then push, then mail; or with
 * others into the mail of the hour or the day, where there may be one. Quiet hours put off all but the socket.
 */
export function planDeliveries(n: { kind: string; priority: string }, reached: Reached, now: Date): Planned[] {
  const { settings, timeZone, isMailed } = reached
  const rule = settings.rules.find(({ kind }) => kind === n.kind) ?? settings.default
  const isUrgent = n.priority === 'urgent'
  const isImportant = isUrgent || n.priority === 'high'
  const wants = (reach: 'never' | 'important' | 'always') =>
    reach === 'always' || (reach === 'important' && isImportant)
  const held = (ms: number) => heldUntil(reached, n.priority, new Date(ms)) ?? new Date(ms)
  const planned: Planned[] = [{ channel: 'socket', dueAt: now }]
  if (rule.timing !== 'instant' && rule.mail !== 'never' && isMailed && !isUrgent) {
    const [hour, minute] = settings.dailyAt.split(':').map(Number)
    const cron = rule.timing === 'hourly' ? '0 * * * *' : `${minute} ${hour} * * *`
    const [next] = cronTimes(cron, timeZone, now, 1)
    return next ? [...planned, { channel: 'digest', dueAt: held(next.getTime()) }] : planned
  }
  const pushAt = held(now.getTime() + (isUrgent ? 0 : settings.pushAfterSeconds * SECOND_MS))
  const mailAt = held(pushAt.getTime() + settings.mailAfterMinutes * MINUTE_MS)
  if (wants(rule.push)) planned.push({ channel: 'push', dueAt: pushAt })
  if (wants(rule.mail) && isMailed) planned.push({ channel: 'mail', dueAt: mailAt })
  return planned
}
