import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { databaseFailure } from './failure.ts'

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
