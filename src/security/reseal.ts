import { type Column, getTableName, isNotNull, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { type Ctx, describeError } from '#core'
import { type EncryptionKey, type Place, seal, unseal } from './envelope.ts'

const BATCH = 100
const MAX_BATCHES = 20

/** A column of sealed texts: its table's id and owner are where each of them belongs. */
export type SealedColumn = { table: PgTable; column: Column; id: Column; userId: Column | null }
/** How far a column is: `older` were sealed with another key than the first. */
export type SealedProgress = { table: string; column: string; rows: number; older: number }

type Row = { id: string; userId: string; sealed: string }
type ResealCtx = Pick<Ctx, 'db' | 'config' | 'log'>

const isOlder = (column: Column, [current]: EncryptionKey[]): SQL =>
  sql`not starts_with(${column}, ${`v1.${current?.id}.`})`

/** Seals anew what an older key sealed, two thousand of a column at a time; when none is left, that key may go. */
export async function resealSecrets(ctx: ResealCtx, columns: readonly SealedColumn[]): Promise<void> {
  if (ctx.config.encryptionKeys.length < 2) return
  for (const sealed of columns) {
    let after = ''
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const rows = await resealBatch(ctx, sealed, after)
      after = rows.at(-1)?.id ?? after
      if (rows.length < BATCH) break
    }
  }
}

async function resealBatch({ db, config, log }: ResealCtx, where: SealedColumn, after: string): Promise<Row[]> {
  const { table, column, id, userId } = where
  const { encryptionKeys: keys } = config
  const { rows } = await db.execute<Row>(sql`
    select ${id} as id, coalesce(${userId ?? sql`null::text`}, '') as "userId", ${column} as sealed from ${table}
    where ${id} > ${after} and ${column} is not null and ${isOlder(column, keys)} order by ${id} limit ${BATCH}`)
  const fresh: { id: string; old: string; fresh: string }[] = []
  for (const row of rows) {
    const place: Place = { table: getTableName(table), column: column.name, rowId: row.id, userId: row.userId }
    try {
      const text = await seal(keys, place, await unseal(keys, place, row.sealed))
      fresh.push({ id: row.id, old: row.sealed, fresh: text })
    } catch (error) {
      log.error('secret.unreadable', { id: row.id, table: place.table, column: place.column, ...describeError(error) })
    }
  }
  // Whoever wrote another secret meanwhile wrote it with the first key.
  if (fresh.length > 0)
    await db.execute(sql`
      update ${table} set ${sql.identifier(column.name)} = f.fresh
      from jsonb_to_recordset(${JSON.stringify(fresh)}::jsonb) as f (id text, old text, fresh text)
      where ${id} = f.id and ${column} = f.old`)
  return rows
}

/** How many texts each column holds, and how many of them an older key sealed. One trip. */
export async function sealedProgress(
  { db, config }: Pick<Ctx, 'db' | 'config'>,
  columns: readonly SealedColumn[],
): Promise<SealedProgress[]> {
  const counts = columns.map(({ table, column }) => {
    const older = sql`count(*) filter (where ${isOlder(column, config.encryptionKeys)})`
    return sql`select ${getTableName(table)}::text as "table", ${column.name}::text as "column",
      count(*)::int as rows, (${older})::int as older from ${table} where ${isNotNull(column)}`
  })
  const { rows } = await db.execute<SealedProgress>(sql.join(counts, sql` union all `))
  return rows
}
