import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { timeZone } from './schema.ts'

test('every time zone this API takes, and every name it keeps one by, is one Postgres knows', async () => {
  const { db } = testCtx()
  const { rows } = await db.execute<{ name: string }>(sql`select name from pg_timezone_names`)
  const known = rows.map(({ name }) => name)
  const offered = [...Intl.supportedValuesOf('timeZone'), 'UTC']
  for (const zone of offered) expect(timeZone.parse(zone), zone).toBe(zone)
  const kept = [...offered, ...known].flatMap((name) => timeZone.safeParse(name).data ?? [])
  expect(kept.length).toBeGreaterThan(800)
  expect(kept.filter((zone) => !known.includes(zone))).toEqual([])
  const read = sql`select count(now() at time zone zone)::int as count from jsonb_array_elements_text(${JSON.stringify(kept)}::jsonb) zone`
  expect((await db.execute(read)).rows).toEqual([{ count: kept.length }])
})
