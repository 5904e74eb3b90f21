import { and, getTableColumns, inArray, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { isOrphan, prepared } from '#database'
import type { Stale } from './budget.ts'
import { type LedgerRow, lineId } from './ledger.ts'
import { usageEvents } from './tables.ts'

const COLUMNS = Object.entries(getTableColumns(usageEvents))
const toFields = (row: LedgerRow) => {
  const values: Record<string, unknown> = row
  return Object.fromEntries(COLUMNS.map(([key, { name }]) => [name, values[key]]))
}

// One text for any number of lines: to make one for each number takes longer than all else, and the object serves nobody meanwhile.
const writing = prepared((db, { rows }: { rows: string }) => {
  const names = sql.join(
    COLUMNS.map(([, { name }]) => sql.identifier(name)),
    sql`, `,
  )
  return db
    .insert(usageEvents)
    .select(sql`select ${names} from json_populate_recordset(null::${usageEvents}, ${rows}::json)`)
    .onConflictDoNothing()
})

/** Adds lines to the ledger, each once however often it is brought; those of a person who is gone go with them. */
export async function writeUsage(ctx: Pick<Ctx, 'db'>, rows: LedgerRow[]): Promise<void> {
  try {
    await writing(ctx.db, { rows: JSON.stringify(rows.map(toFields)) })
  } catch (error) {
    if (!isOrphan(error)) throw error
  }
}

/** What the ledger says that these holds of their people cost, for those it knows, by their lines' ids. One trip. */
export async function findCosts({ db }: Pick<Ctx, 'db'>, calls: Stale[]): Promise<Map<string, number>> {
  const e = usageEvents
  const whose = calls.map(({ userId }) => userId)
  const ids = calls.flatMap((call) => [lineId(call), lineId(call, 'unsent')])
  const rows = await db
    .select({ id: e.id, micros: e.costMicros })
    .from(e)
    .where(and(inArray(e.userId, whose), inArray(e.id, ids)))
  const told = new Map(rows.map(({ id, micros }) => [id, micros]))
  return new Map(
    calls.flatMap((call): [string, number][] => {
      // What was not sent costs nothing.
      const micros = told.get(lineId(call)) ?? told.get(lineId(call, 'unsent'))
      return micros === undefined ? [] : [[lineId(call), micros]]
    }),
  )
}
