import type { Priority, Settings, WithheldReason } from './schema.ts'

/** What a person was offered lately, as far as a gate asks. */
export type Standing = {
  settings: Settings
  quietUntil: Date | null
  /** Offered and not decided. */
  open: number
  today: number
  /** When one of this kind was offered last. */
  lastOfKind: Date | null
}
type Ask = { kind: string; priority: Priority }

export const DEFAULTS: Settings = {
  maxOpen: 3,
  maxADay: 8,
  cooldownMinutes: 240,
  cooldowns: {},
  muted: [],
  urgentInQuietHours: false,
  inferCommitments: true,
  privacy: 'contacts',
  version: 0,
}
/** A run asks for an OK to what it was told to do: no idea of ours, of which one may come too often or like another. */
export const RUN_APPROVAL = 'run_approval'
/** So does a conversation, of somebody who is there. */
export const TURN_APPROVAL = 'turn_approval'
/** And a schedule, to what goes out. */
export const SCHEDULE_APPROVAL = 'schedule_approval'
const APPROVALS: ReadonlySet<string> = new Set([RUN_APPROVAL, TURN_APPROVAL, SCHEDULE_APPROVAL])
export const isApproval = (kind: string) => APPROVALS.has(kind)
// What a person said themselves comes as often as they say it, and what is asked of them as often as it must be.
const OWN_COOLDOWNS: Record<string, number> = {
  commitment: 0,
  [RUN_APPROVAL]: 0,
  [TURN_APPROVAL]: 0,
  [SCHEDULE_APPROVAL]: 0,
}
const MINUTE_MS = 60_000

/** How long a kind rests after it was offered; what is urgent does not. */
export function cooldownMs({ cooldowns, cooldownMinutes }: Settings, { kind, priority }: Ask): number {
  if (priority === 'urgent') return 0
  return (cooldowns[kind] ?? OWN_COOLDOWNS[kind] ?? cooldownMinutes) * MINUTE_MS
}

/** Pure: the first reason to say nothing, the cheapest to know first; null: there is none among these. */
export function closedBy(standing: Standing, ask: Ask, now: Date): WithheldReason | null {
  const { settings, quietUntil, open, today, lastOfKind } = standing
  // They asked for it themselves, just now.
  if (ask.kind === TURN_APPROVAL) return null
  if (settings.muted.includes(ask.kind)) return 'muted'
  const isHeard = ask.priority === 'urgent' && settings.urgentInQuietHours
  if (quietUntil !== null && !isHeard) return 'quiet_hours'
  if (today >= settings.maxADay) return 'too_many_today'
  if (open >= settings.maxOpen) return 'too_many_open'
  const rest = cooldownMs(settings, ask)
  if (lastOfKind !== null && now.getTime() - lastOfKind.getTime() < rest) return 'cooldown'
  return null
}
