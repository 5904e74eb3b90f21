import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { batchCalls } from '#ai/tables'
import { startBatchWorld } from '#test/batch-world'
import { eraseRows } from './postgres.ts'

let world: Awaited<ReturnType<typeof startBatchWorld>>
beforeAll(async () => {
  world = await startBatchWorld()
}, 60_000)
afterAll(() => world.stop())
beforeEach(() => world.clear())

const sent = () => world.claude.batches.flatMap(({ requests }) => requests.map((each) => each.custom_id))

/** Where anything of these words is. */
async function placesOf(words: string): Promise<string[]> {
  const { rows } = await world.ctx.db.execute<{ name: string }>(
    sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  const places: string[] = []
  for (const { name } of rows) {
    const found = await world.ctx.db.execute(
      sql`select 1 from ${sql.identifier(name)} t where t::text like ${`%${words}%`} limit 1`,
    )
    if (found.rows.length > 0) places.push(name)
  }
  return places
}

test('what waits of somebody who is erased while a batch is put together is not sent with it, and nothing is held for it', async () => {
  const [gone, other] = [await world.person(), await world.person()]
  await world.ask(gone, 'case-gone')
  const kept = await world.ask(other, 'case-kept')
  const { reserve } = gone.steward
  // Cron has the call in its hands by then.
  gone.steward.reserve = async (...asked) => {
    await eraseRows(world.ctx, gone.ctx.actor.userId)
    return await reserve(...asked)
  }
  await world.pass(8)
  expect(sent()).toEqual([kept])
  expect(await other.answer(kept)).toMatchObject({ state: 'answered' })
  expect([await gone.steward.nextDeadlineMs(), gone.ledgerMicros()]).toEqual([null, 0])
  expect(await placesOf('case-gone')).toEqual([])
})

test('of a call that had gone with a batch before its person was erased, neither question nor answer is kept', async () => {
  const [gone, other] = [await world.person(), await world.person()]
  const ids = [await world.ask(gone, 'case-gone'), await world.ask(other, 'case-kept')]
  await world.tick()
  expect(sent()).toEqual(expect.arrayContaining(ids))
  expect(await placesOf('case-gone')).toEqual(['batch_calls'])
  await eraseRows(world.ctx, gone.ctx.actor.userId)
  expect(await placesOf('case-gone')).toEqual([])
  await world.pass(90)
  expect(world.claude.bills.map(({ id }) => id)).toEqual(expect.arrayContaining(ids))
  expect(await placesOf('case-gone')).toEqual([])
  expect(await world.ctx.db.select({ id: batchCalls.id }).from(batchCalls)).toEqual([{ id: ids[1] }])
  expect(await other.answer(ids[1] ?? '')).toMatchObject({ state: 'answered' })
  expect(other.ledgerMicros()).toBeGreaterThan(0)
})
