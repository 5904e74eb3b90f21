import { cronTimes, quietUntil } from '#core'
import type { Settings } from './reach-schema.ts'

type Channel = 'socket' | 'push' | 'mail' | 'digest'
export type Planned = { channel: Channel; dueAt: Date }
type Told = { kind: string; priority: string; expiresAt: string | null }
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
 * others into the mail of the hour or the day, where there may be one: so do routine suggestions, unless something else was
 * said of them. Quiet hours put off all but the socket.
 */
export function planDeliveries(n: Told, reached: Reached, now: Date): Planned[] {
  const { settings, timeZone, isMailed } = reached
  const own = settings.rules.find(({ kind }) => kind === n.kind)
  const rule = own ?? settings.default
  const isUrgent = n.priority === 'urgent'
  const isImportant = isUrgent || n.priority === 'high'
  const wants = (reach: 'never' | 'important' | 'always') =>
    reach === 'always' || (reach === 'important' && isImportant)
  const held = (ms: number) => heldUntil(reached, n.priority, new Date(ms)) ?? new Date(ms)
  const planned: Planned[] = [{ channel: 'socket', dueAt: now }]
  const isIdea = !own && n.kind === 'suggestion' && !isImportant && rule.timing === 'instant'
  const timing = isIdea ? 'hourly' : rule.timing
  if (timing !== 'instant' && rule.mail !== 'never' && isMailed && !isUrgent) {
    const [hour, minute] = settings.dailyAt.split(':').map(Number)
    const cron = timing === 'hourly' ? '0 * * * *' : `${minute} ${hour} * * *`
    const [next] = cronTimes(cron, timeZone, now, 1)
    const dueAt = next && held(next.getTime())
    // Nobody said that it may be over before they hear of it.
    const isInTime = !isIdea || n.expiresAt === null || (dueAt && dueAt.getTime() < Date.parse(n.expiresAt))
    if (isInTime) return dueAt ? [...planned, { channel: 'digest', dueAt }] : planned
  }
  const pushAt = held(now.getTime() + (isUrgent ? 0 : settings.pushAfterSeconds * SECOND_MS))
  const mailAt = held(pushAt.getTime() + settings.mailAfterMinutes * MINUTE_MS)
  if (wants(rule.push)) planned.push({ channel: 'push', dueAt: pushAt })
  if (wants(rule.mail) && isMailed) planned.push({ channel: 'mail', dueAt: mailAt })
  return planned
}
