import { neon, neonConfig } from '@neondatabase/serverless'
import { eq, sql } from 'drizzle-orm'
import { afterEach, describe, expect, inject, test } from 'vitest'

import { readConfig } from '#config'
import { findAppError } from '#core'
import { outbox } from '#queue/tables'
import { makePerson, testCtx } from '#test/database'
import { neonEndpoint } from './neon.ts'

const atNeon = neonConfig.fetchEndpoint
const realFetch = globalThis.fetch
afterEach(() => {
  globalThis.fetch = realFetch
})
const caught = (work: PromiseLike<unknown>): Promise<unknown> => Promise.resolve(work).catch((error: unknown) => error)

/** Neon's own driver on the same gateway, as drizzle sets it: times stay text. */
function theirs() {
  const { url, fetchEndpoint } = readConfig(inject('vars')).database
  neonConfig.fetchEndpoint = fetchEndpoint ?? neonConfig.fetchEndpoint
  return neon(url, { fullResults: true })
}

describe('beside the driver of Neon', () => {
  const TYPES = `select 9007199254740993::int8 as big, 7::int2 as small, -7 as whole, 12.50::numeric as price, 1.5::float8 as half,
    true as yes, false as no, null::int as nothing, 'NULL'::text as word, '' as empty, '{"a": [1, null]}'::jsonb as json,
    'null'::jsonb as empty_json, '"text"'::json as text_json, '09:00'::time as clock, 'a'::char as letter,
    '01jd'::varchar as short, 23::oid as kind`

  test('every type of our columns is read as it reads it, by name and by place', async () => {
    const { $client } = testCtx().db
    for (const arrayMode of [false, true]) {
      const [our, their] = [
        await $client.query(TYPES, [], { arrayMode }),
        await theirs().query(TYPES, [], { arrayMode }),
      ]
      expect(our.rows).toEqual(their.rows)
      expect([our.fields, our.command, our.rowCount]).toEqual([their.fields, their.command, their.rowCount])
      expect(our.rows).toHaveLength(1)
    }
  })

  test('a time stays the text that Postgres made of it', async () => {
    const { rows } = await testCtx().db.execute(
      sql`select '2026-11-21 10:00:00.125+02'::timestamptz as at, '2026-11-21'::date as day`,
    )
    expect(rows).toEqual([{ at: '2026-11-21 08:00:00.125+00', day: '2026-11-21' }])
  })

  test('parameters of every kind arrive as its do', async () => {
    const text = `select $1::int + 1 as n, $2::text[]::text as list, $3::jsonb as json, $4::text as nothing, $5::bool as yes,
      $6::float8 as half, $7::text as words, $8::int8 as big`
    const params = [41, ['x', 'a "b", \\ {c}', null], { a: ['ü'] }, undefined, true, -0.5, 'it\'s "so" \\', 2n ** 53n]
    const { $client } = testCtx().db
    expect((await $client.query(text, params)).rows).toEqual((await theirs().query(text, params)).rows)
    const at = new Date('2026-11-21T08:00:00.125Z')
    expect((await $client.query(`select ($1::timestamptz = '${at.toISOString()}') as same`, [at])).rows).toEqual([
      { same: true },
    ])
  })

  test('an error says what its does: code, constraint and what it hit', async () => {
    const { actor, db } = await makePerson()
    const text =
      'insert into users (id, email, display_name, time_zone) select id, email, display_name, time_zone from users where id = $1'
    const our = await caught(db.$client.query(text, [actor.userId]))
    const their = await caught(theirs().query(text, [actor.userId]))
    const told = ['message', 'severity', 'code', 'detail', 'hint', 'where', 'schema', 'table', 'column', 'constraint']
    const fields = (error: unknown) => told.map((name) => Reflect.get(Object(error), name))
    expect(fields(our)).toEqual(fields(their))
    expect(our).toMatchObject({ name: 'DatabaseError', code: '23505', table: 'users' })
  })

  test('the same address of Neon is asked', () => {
    const host = 'ep-cool-rain-123456-pooler.eu-central-1.aws.neon.tech'
    const address = typeof atNeon === 'function' ? atNeon(host, 5432) : atNeon
    expect(neonEndpoint(`postgres://user:p%40ss@${host}:5432/db?sslmode=require`)).toBe(address)
  })
})

describe('on the wire', () => {
  /** Answers in turn as told, an error by failing; what was asked is kept. */
  function answering(...answers: (Response | Error)[]): { bodies: string[]; headers: Headers[] } {
    const seen = { bodies: [] as string[], headers: [] as Headers[] }
    globalThis.fetch = async (_, init) => {
      seen.bodies.push(String(init?.body))
      seen.headers.push(new Headers(init?.headers))
      const answer = answers.shift()
      if (answer instanceof Response) return answer
      throw answer ?? new Error('asked once too often')
    }
    return seen
  }
  const one = () =>
    Response.json({ fields: [{ name: 'n', dataTypeID: 23 }], rows: [['1']], command: 'SELECT', rowCount: 1 })

  test('a batch is one trip and one transaction, and its parts are not sent by themselves', async () => {
    const { db, meter } = testCtx()
    const key = crypto.randomUUID()
    const event = (id: string) => ({
      id: `${key} ${id}`,
      type: 'test',
      userId: key,
      key,
      version: 1,
      data: {},
      dispatchedAt: new Date(),
    })
    const versions = db.select({ version: outbox.version }).from(outbox).where(eq(outbox.key, key))
    const [written, read] = await db.batch([db.insert(outbox).values([event('a'), event('b')]), versions])
    expect([written.rowCount, read, meter.trips]).toEqual([2, [{ version: 1 }, { version: 1 }], 1])
    const failing = db.batch([
      db.update(outbox).set({ version: 2 }).where(eq(outbox.key, key)),
      db.insert(outbox).values(event('a')),
    ])
    expect(await caught(failing)).toMatchObject({ code: '23505', table: 'outbox' })
    expect(await versions).toEqual([{ version: 1 }, { version: 1 }])
    await db.delete(outbox).where(eq(outbox.key, key))
  })

  test('a statement is sent once however often its answer is asked for', async () => {
    const { bodies, headers } = answering(one())
    const query = testCtx().db.$client.query('select 1 as n', [])
    expect(bodies).toEqual([])
    expect((await Promise.all([query, query])).map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 1 }]])
    expect(bodies).toEqual(['{"query":"select 1 as n","params":[]}'])
    expect(headers[0]?.get('neon-connection-string')).toBe(readConfig(inject('vars')).database.url)
  })

  test('a read whose connection breaks is sent again, a write is not, and both end as a 503', async () => {
    const { db, meter } = testCtx()
    const broken = () => new TypeError('fetch failed')
    answering(broken(), one())
    expect((await db.execute(sql`select 1 as n`)).rows).toEqual([{ n: 1 }])
    answering(broken(), one())
    const write = await caught(db.update(outbox).set({ version: 1 }).where(sql`false`))
    expect(findAppError(write)).toMatchObject({ code: 'unavailable' })
    expect(meter.trips).toBe(3)
    answering(broken(), broken(), broken())
    expect(findAppError(await caught(db.execute(sql`select 1`)))).toMatchObject({ code: 'unavailable' })
    expect(meter.trips).toBe(6)
  })

  test('a write that Postgres had no slot for, or took back for the sake of another, is sent again', async () => {
    for (const code of ['53300', '40P01']) {
      const { bodies } = answering(Response.json({ message: 'not now', code }, { status: 400 }), one())
      expect((await testCtx().db.execute(sql`insert into nothing`)).rows).toEqual([{ n: 1 }])
      expect(bodies).toHaveLength(2)
    }
  })

  test('a gateway that fails, is too busy or answers what is no result is away, with its words, cut', async () => {
    const failing = async (answer: Response) => {
      answering(answer)
      return findAppError(await caught(testCtx().db.execute(sql`insert into nothing`)))
    }
    for (const status of [429, 502]) {
      const error = await failing(new Response('x'.repeat(1000), { status }))
      const message = expect.stringMatching(new RegExp(`^The database's gateway answered ${status}: x{300}$`))
      expect(error).toMatchObject({ code: 'unavailable', retryAfterS: 2, cause: { message } })
    }
    for (const page of ['<html>a page of somebody else</html>', '{}', 'null'])
      expect(await failing(new Response(page))).toMatchObject({ code: 'unavailable' })
  })

  test('a gateway that does not know us is a bug', async () => {
    answering(new Response('no such role', { status: 401 }))
    const error = await caught(testCtx().db.execute(sql`insert into nothing`))
    expect([findAppError(error), error]).toMatchObject([
      undefined,
      { cause: { message: expect.stringMatching(/401/) } },
    ])
  })
})
