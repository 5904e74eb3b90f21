import { type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { CLAIMS, type Claim, tracesOf } from './claims.ts'

const BATCH = 5000
const claimed = Object.entries(CLAIMS)

/** How many rows are a person's. One trip. */
export async function countRows({ db }: Pick<Ctx, 'db'>, userId: string): Promise<number> {
  const counts = claimed.map(([table, claim]) => sql`(select count(*) from ${tracesOf(table, claim, userId)})`)
  const { rows } = await db.execute<{ count: string }>(sql`select ${sql.join(counts, sql` + `)} as count`)
  return Number(rows[0]?.count)
}

/**
 * Deletes every row of a person's: in batches, so that no statement takes too long however much there is, and at the end
 * in one transaction with the person, after whom nothing of theirs can be written.
 */
export async function eraseRows({ db }: Pick<Ctx, 'db'>, userId: string): Promise<void> {
  const first = claimed.filter(([table, { ledger }]) => table !== 'users' && !ledger)
  for (;;) {
    const gone = first.map(([table, claim]) => db.execute<{ ok: string }>(eraseSome(table, claim, userId)))
    const [head, ...rest] = gone
    if (!head) return
    const results = await db.batch([head, ...rest])
    if (results.every(({ rowCount }) => (rowCount ?? 0) < BATCH)) break
  }
  const last = claimed
    .filter(([table, { loose, address }]) => loose || address || table === 'users')
    .map(([table, claim]) =>
      db.execute(claim.among ? eraseSome(table, claim, userId) : sql`delete from ${tracesOf(table, claim, userId)}`),
    )
  const [head, ...rest] = last
  if (head) await db.batch([head, ...rest])
}

function eraseSome(table: string, claim: Claim, userId: string): SQL {
  const [from, column] = [sql.identifier(table), sql.identifier(claim.owner)]
  const some = sql`ctid in (select t.ctid from ${tracesOf(table, claim, userId)} limit ${BATCH}::int)`
  if (claim.among) return sql`update ${from} set ${column} = array_remove(${column}, ${userId}) where ${some}`
  return sql`delete from ${from} where ${some}`
}
