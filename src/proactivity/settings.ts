import { and, eq, type SQL, sql } from 'drizzle-orm'
import { withdraw } from '#ai'
import { AppError } from '#core'
import { ownedBy, ownerId } from '#database'
import { DEFAULTS } from './reasons.ts'
import type { ReadCtx, WriteCtx } from './row.ts'
import type { Settings, SettingsPatch } from './schema.ts'
import { suggestionSettings } from './tables.ts'

const t = suggestionSettings
const columns = {
  maxOpen: t.maxOpen,
  maxADay: t.maxADay,
  cooldownMinutes: t.cooldownMinutes,
  cooldowns: t.cooldowns,
  muted: t.muted,
  urgentInQuietHours: t.urgentInQuietHours,
  inferCommitments: t.inferCommitments,
  privacy: t.privacy,
  version: t.version,
}

/** The statement that reads how much the person wants to hear. */
export const settingsRead = ({ actor, db }: ReadCtx) => db.select(columns).from(t).where(ownedBy(actor, t.userId))

/** No row: the defaults. */
export const settingsOf = (row: Settings | undefined): Settings => row ?? DEFAULTS

/** How much the person wants to hear. One trip. */
export async function getSettings(ctx: ReadCtx): Promise<Settings> {
  const [row] = await settingsRead(ctx)
  return settingsOf(row)
}

/** Whether a model is told this much of them, for a statement that hangs on it. */
export const privacyIs = ({ actor, db }: ReadCtx, privacy: Settings['privacy']): SQL =>
  sql`coalesce(${db.select({ privacy: t.privacy }).from(t).where(ownedBy(actor, t.userId))}, ${DEFAULTS.privacy}) = ${privacy}`

/** Changes what is given; `version` is the one that was read (0: the defaults), or `*`. Two trips, three where `privacy` is given; 412 when it moved on. */
export async function setSettings(ctx: WriteCtx, patch: SettingsPatch, version: number | '*'): Promise<Settings> {
  const before = await getSettings(ctx)
  if (version !== '*' && version !== before.version) throw stale()
  const { version: read, ...values } = { ...before, ...patch }
  const [row] = await ctx.db
    .insert(t)
    .values({ ...values, userId: ownerId(ctx.actor) })
    .onConflictDoUpdate({
      target: t.userId,
      set: { ...values, version: sql`${t.version} + 1`, updatedAt: sql`now()` },
      setWhere: and(ownedBy(ctx.actor, t.userId), eq(t.version, read)),
    })
    .returning(columns)
  if (!row) throw stale()
  // What waits for a batch was written as they had it before: the runs ask anew.
  if (patch.privacy !== undefined) await withdraw(ctx, { feature: 'workflows' })
  return row
}

const stale = () => new AppError('version_stale', 'The settings have changed since you read them')
