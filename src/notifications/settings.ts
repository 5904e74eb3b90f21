import { sql } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { ownerId } from '#database'
import { DEFAULTS, type NotificationSettings, type NotificationSettingsPatch, Settings } from './reach-schema.ts'
import { notificationSettings } from './tables.ts'

type SettingsCtx = Pick<UserCtx, 'actor' | 'db'>
type Row = { settings: object | null; version: number | null }

const n = notificationSettings
// A setting that came later is as it is for everybody.
const read = ({ settings, version }: Row): NotificationSettings => ({
  ...Settings.parse({ ...DEFAULTS, ...settings }),
  version: version ?? 1,
})

/** How the person is told; version 1 is what nobody has changed yet. One trip. */
export async function getSettings({ actor, db }: SettingsCtx): Promise<NotificationSettings> {
  const { rows } = await db.execute<Row>(sql`
    with me as (select ${ownerId(actor)}::text as id)
    select n.settings, n.version from me left join ${n} n on n.user_id = me.id`)
  return read(rows[0] ?? { settings: null, version: null })
}

/** Changes what is given; `version` is the one that was read, or `*`. One trip; 412 when it has moved on. */
export async function updateSettings(
  { actor, db }: SettingsCtx,
  patch: NotificationSettingsPatch,
  version: number | '*',
): Promise<NotificationSettings> {
  const given = JSON.stringify(patch)
  const known = version === '*' ? null : version
  const { rows } = await db.execute<Row>(sql`
    insert into ${n} as n (user_id, settings, version)
    select me.id, ${given}::jsonb, 2 from (select ${ownerId(actor)}::text as id) me
    where coalesce(${known}::int, 1) = 1 or exists (select 1 from ${n} k where k.user_id = me.id)
    on conflict (user_id) do update set settings = n.settings || excluded.settings, version = n.version + 1,
      updated_at = now() where n.version = coalesce(${known}::int, n.version)
    returning n.settings, n.version`)
  const [row] = rows
  if (!row) throw new AppError('version_stale', 'The settings have changed since you read them')
  return read(row)
}
