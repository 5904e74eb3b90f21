import { DrizzleQueryError, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { createLog, describeError } from '#core'
import { makePerson, testCtx } from '#test/database'
import { databaseFailure, tellableFailure } from './failure.ts'

test.each([
  ['a zone it does not know', sql`select now() at time zone ${'US/Pacific-New'}`],
  ['no instant', sql`select ${'soon'}::timestamptz`],
  ['a day that is not', sql`select ${'2026-02-30'}::date`],
  ['an offset that is not', sql`select ${'2026-01-01T00:00:00+23:59'}::timestamptz`],
  ['a NUL', sql`select ${'a\0b'}::text`],
  ['a NUL in JSON', sql`select ${'{"a":"\\u0000"}'}::jsonb->>'a'`],
  ['too large a number', sql`select ${'1e308'}::double precision::int`],
  ['no number', sql`select ${'one'}::int`],
])('%s is the caller’s, and what it was is not said', async (_what, query) => {
  const error: unknown = await testCtx()
    .db.execute(query)
    .catch((caught: unknown) => caught)
  expect(databaseFailure(error)).toMatchObject({
    code: 'invalid_request',
    message: 'A value cannot be stored or compared',
  })
})

test('what is our own mistake stays a bug', async () => {
  const error: unknown = await testCtx()
    .db.execute(sql`select nonsense`)
    .catch((caught: unknown) => caught)
  expect(databaseFailure(error)).toBeUndefined()
})

const CANARY = 'dear "diary", it\u2019s\n    a secret'

/** What a log line says of the failure of this statement. */
async function logged(work: PromiseLike<unknown>): Promise<string> {
  const reason: unknown = await Promise.resolve(work).then(
    () => 'nothing failed',
    (error: unknown) => error,
  )
  const lines: string[] = []
  createLog({}, 'error', (line) => void lines.push(line)).error('failed', describeError(reason))
  return lines.join()
}

test('a log line of a refused value names where and why, and holds nothing of the value', async () => {
  const { db, actor } = await makePerson()
  const refused: [PromiseLike<unknown>, object][] = [
    [db.execute(sql`select ${CANARY}::int`), { code: '22P02', routine: 'pg_strtoint32_safe' }],
    [db.execute(sql`select ${CANARY}::timestamptz`), { code: '22007' }],
    [db.execute(sql`select ${CANARY}::jsonb`), { code: '22P02' }],
    [db.execute(sql`select ${`{${CANARY}`}::text[]`), { code: '22P02' }],
    [db.execute(sql`select now() at time zone ${CANARY}`), { code: '22023' }],
    [
      db.execute(sql`insert into users (id, email, display_name) values (${actor.userId}, ${CANARY}, ${CANARY})`),
      { code: '23505', constraint: 'users_pkey', table: 'users' },
    ],
    [
      db.execute(sql`insert into users (id, email, display_name) values (${CANARY}, ${CANARY}, null)`),
      { code: '23502', table: 'users', column: 'display_name' },
    ],
    [db.execute(sql`do $$ begin raise exception 'dear diary' using detail = 'secret'; end $$`), { code: 'P0001' }],
  ]
  for (const [work, said] of refused) {
    const line = await logged(work)
    expect(JSON.parse(line)).toMatchObject({ ...said, error: 'Error <- DatabaseError' })
    for (const part of ['dear', 'diary', 'secret', 'it\u2019s']) expect(line).not.toContain(part)
  }
})

test('a mistake in a statement of ours is logged in its own words', async () => {
  expect(await logged(testCtx().db.execute(sql`select nonsense`))).toContain('column \\"nonsense\\" does not exist')
})

test('what fails in the database is told on without its statement, all else as it is', () => {
  const query = (cause: Error) => new DrizzleQueryError('select secret', ['a parameter'], cause)
  const refused = Object.assign(new Error('violates'), { code: '23502' })
  for (const error of [query(refused), refused, query(new Error('the gateway answered 413'))])
    expect(tellableFailure(error)).toMatchObject({ message: 'This did not work', cause: error })
  expect(tellableFailure(query(Object.assign(new Error('x'), { code: '57P03' })))).toMatchObject({
    code: 'unavailable',
  })
  const own = new Error('the step has no tool')
  expect(tellableFailure(own)).toBe(own)
})
