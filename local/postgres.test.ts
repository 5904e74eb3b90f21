import { neon, neonConfig } from '@neondatabase/serverless'
import { asc, eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/neon-http'
import { integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Postgres, startPostgres } from './postgres.ts'
import { findPostgres, startTempPostgres } from './temp-postgres.ts'

const LIMITS = { statementTimeoutMs: 900, queueTimeoutMs: 500 }
const RUNAWAY = 'do $$ begin loop end loop; end $$'

neonConfig.fetchEndpoint = (host, port) => `http://${host}:${port}/sql`

const server = findPostgres()
const startOverServer = async (installation: NonNullable<typeof server>) => {
  const temporary = await startTempPostgres(installation)
  const gateway = await startPostgres({ ...LIMITS, databaseUrl: temporary.databaseUrl })
  return { ...gateway, close: () => gateway.close().then(temporary.close) }
}
const backends = [{ name: 'PGlite', concurrency: 1, start: () => startPostgres(LIMITS) }]
if (server) backends.push({ name: 'a PostgreSQL server', concurrency: 20, start: () => startOverServer(server) })
else test('a PostgreSQL server is not tried here: no programs of it, or nobody but root to run them', () => {})

describe.each(backends)('over $name', ({ name, start, concurrency }) => {
  let pg: Postgres
  let query: ReturnType<typeof neon<false, true>>
  let post: (body: unknown, headers?: Record<string, string>) => Promise<Response>

  beforeAll(async () => {
    pg = await start()
    query = neon(pg.connectionString, { fullResults: true })
    post = (body, headers) =>
      fetch(pg.url, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'neon-connection-string': pg.connectionString, ...headers },
      })
  }, 30_000)
  afterAll(() => pg.close())

  const table = async (columns: string) => {
    const name = `t_${crypto.randomUUID().slice(0, 8)}`
    await pg.query(`create table ${name} (${columns})`)
    return name
  }
  const count = async (name: string) => (await pg.query(`select count(*)::int as n from ${name}`))[0]?.n
  // The driver sends a query only when somebody asks for its result.
  const occupy = (seconds: number) =>
    Promise.all(Array.from({ length: concurrency }, () => query`select pg_sleep(${seconds})`))
  // The gateway answers in the order things reach it: after this, what was sent before has arrived.
  const roundTrip = () => fetch(new URL('/', pg.url))

  const leave = async (send: (signal: AbortSignal) => Promise<unknown>) => {
    const client = new AbortController()
    const leaving = expect(send(client.signal)).rejects.toThrow('abort')
    await roundTrip()
    await roundTrip()
    client.abort()
    await leaving
  }
  const running = async (text: string) =>
    (await pg.query('select count(*)::int as n from pg_stat_activity where query = $1', [text]))[0]?.n

  test('the Neon driver reads every type as from Neon', async () => {
    const { rows, fields, command, rowCount } = await query`
      select 9007199254740993::int8 as big, 12.50::numeric as price, true as yes, null::text as nothing,
        array['a', 'b,"c"']::text[] as list, '\\x00ff'::bytea as bytes, '{"a": [1]}'::jsonb as json,
        '2026-11-21 10:00:00+02'::timestamptz::text as at, '2026-11-21'::date::text as day, 7 as small, 1.5::float8 as half`
    expect(rows).toEqual([
      {
        big: '9007199254740993',
        price: '12.50',
        yes: true,
        nothing: null,
        list: ['a', 'b,"c"'],
        bytes: Buffer.from([0, 255]),
        json: { a: [1] },
        at: '2026-11-21 08:00:00+00',
        day: '2026-11-21',
        small: 7,
        half: 1.5,
      },
    ])
    expect(fields[0]).toMatchObject({ name: 'big', dataTypeID: 20 })
    expect({ command, rowCount }).toEqual({ command: 'SELECT', rowCount: 1 })
  })

  test('parameters of every kind arrive', async () => {
    const { rows } = await query.query(
      'select $1::int + 1 as n, $2::text[] as list, $3::jsonb as json, $4::bytea as bytes, $5::text as nothing, $6::bool as yes',
      [41, ['x', 'y'], { a: 1 }, Buffer.from('hi'), null, true],
    )
    expect(rows).toEqual([
      { n: 42, list: ['x', 'y'], json: { a: 1 }, bytes: Buffer.from('hi'), nothing: null, yes: true },
    ])
  })

  test('a client of its own may send and receive plain JSON', async () => {
    const params = [1, ['a "b"', null], { a: [1] }, false]
    const answer = await post({ query: 'select $1::int as n, $2::text[] as l, $3::json as j, $4::bool as b', params })
    expect(await answer.json()).toMatchObject({
      rows: [{ n: 1, l: '{"a \\"b\\"",NULL}', j: { a: [1] }, b: false }],
      rowAsArray: false,
    })
  })

  test('an error carries its code and what it hit', async () => {
    const people = await table('email text constraint one_email unique')
    await pg.query(`insert into ${people} values ('a@b.c')`)
    await expect(query.query(`insert into ${people} values ('a@b.c')`)).rejects.toMatchObject({
      code: '23505',
      constraint: 'one_email',
      table: people,
      schema: 'public',
      severity: 'ERROR',
      detail: 'Key (email)=(a@b.c) already exists.',
    })
    await expect(query`select nonsense`).rejects.toMatchObject({ code: '42703', position: '8' })
    await expect(query`select 1; select 2`).rejects.toMatchObject({ code: '42601' })
  })

  test('a batch is one transaction', async () => {
    const items = await table('id int primary key')
    const insert = (id: number) => query.query(`insert into ${items} values ($1) returning id`, [id])
    const results = await query.transaction([insert(1), insert(2)])
    expect(results.map(({ rows }) => rows)).toEqual([[{ id: 1 }], [{ id: 2 }]])
    await expect(query.transaction([insert(3), insert(1), insert(4)])).rejects.toMatchObject({ code: '23505' })
    expect(await count(items)).toBe(2)
    expect(await query.transaction([])).toEqual([])
  })

  test('a batch has the isolation it asks for', async () => {
    const show = query`select current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')
      || ' ' || current_setting('transaction_deferrable') as mode`
    const modes = async (options: object) => (await query.transaction([show], options))[0]?.rows[0]?.mode
    expect(await modes({})).toBe('read committed off off')
    expect(await modes({ isolationLevel: 'RepeatableRead', readOnly: true })).toBe('repeatable read on off')
    expect(await modes({ isolationLevel: 'Serializable', readOnly: true, deferrable: true })).toBe('serializable on on')
    await expect(modes({ isolationLevel: 'Chaos' })).rejects.toMatchObject({ code: '08P01' })
  })

  test('drizzle reads, writes and batches', async () => {
    const name = await table('id int primary key, title text, tags jsonb, at timestamptz')
    const notes = pgTable(name, {
      id: integer().primaryKey(),
      title: text(),
      tags: jsonb().$type<string[]>(),
      at: timestamp({ withTimezone: true }),
    })
    const db = drizzle(neon(pg.connectionString))
    const at = new Date('2026-11-21T08:00:00.123Z')
    const [inserted, updated] = await db.batch([
      db
        .insert(notes)
        .values([
          { id: 1, title: 'one', tags: ['a'], at },
          { id: 2, title: 'two' },
        ])
        .returning(),
      db.update(notes).set({ title: 'deux' }).where(eq(notes.id, 2)).returning({ title: notes.title }),
    ])
    expect(inserted).toHaveLength(2)
    expect(updated).toEqual([{ title: 'deux' }])
    expect(await db.select().from(notes).orderBy(asc(notes.id))).toEqual([
      { id: 1, title: 'one', tags: ['a'], at },
      { id: 2, title: 'deux', tags: null, at: null },
    ])
    expect((await db.execute(sql`select ${1}::int as one`)).rows).toEqual([{ one: 1 }])
  })

  test('a hundred clients at once only queue', async () => {
    const ledger = await table('client int')
    const clients = Array.from({ length: 100 }, (_, client) =>
      query.transaction([
        query.query(`insert into ${ledger} values ($1)`, [client]),
        query.query(`insert into ${ledger} values ($1)`, [client]),
      ]),
    )
    await Promise.all(clients)
    expect(await count(ledger)).toBe(200)
  })

  test('a statement that runs too long is ended, and what was committed before is there', async () => {
    const kept = await table('id int')
    await pg.query(`insert into ${kept} values (1)`)
    const batch = [query.query(`insert into ${kept} values (2)`), query.query(RUNAWAY)]
    await expect(query.transaction(batch)).rejects.toMatchObject({ code: '57014' })
    expect(await count(kept)).toBe(1)
  })

  test('who waits too long for a connection is told that nothing was executed', async () => {
    const late = await table('id int')
    const busy = occupy(0.75)
    await roundTrip()
    await expect(query.query(`insert into ${late} values (1)`)).rejects.toMatchObject({
      code: '53300',
      message: expect.stringContaining('not executed'),
    })
    await busy
    expect(await count(late)).toBe(0)
  })

  test('a request whose client left the queue is never executed', async () => {
    const left = await table('id int')
    const busy = occupy(0.25)
    await roundTrip()
    await leave((signal) => query.query(`insert into ${left} values (1)`, [], { fetchOptions: { signal } }))
    await busy
    expect(await count(left)).toBe(0)
  })

  test('a batch whose client leaves is rolled back', async () => {
    const left = await table('id int')
    const insert = query.query(`insert into ${left} values (1)`)
    const batch = [insert, query`select pg_sleep(0.3)`, insert]
    await leave((signal) => query.transaction(batch, { fetchOptions: { signal } }))
    expect(await count(left)).toBe(0)
  })

  test('nothing is kept of a statement that was under way when its client left', async () => {
    const left = await table('id int')
    const slow = `insert into ${left} select 1 from pg_sleep(0.3)`
    await leave((signal) => query.query(slow, [], { fetchOptions: { signal } }))
    await expect.poll(() => running(slow)).toBe(0)
    expect(await count(left)).toBe(0)
  })

  test('what no transaction takes runs without one', async () => {
    const name = await table('id int')
    for (const text of [`vacuum ${name}`, `create index concurrently on ${name} (id)`, 'discard all'])
      await query.query(text)
    expect((await query.query(`select indexname from pg_indexes where tablename = $1`, [name])).rows).toHaveLength(1)
  })

  test('nothing of a session is left for the next request', async () => {
    const open = await table('id int')
    await query`begin`
    await query.query(`insert into ${open} values (1)`)
    await query`rollback`
    expect(await count(open)).toBe(1)
    await query`set search_path to pg_catalog`
    expect(await count(open)).toBe(1)
  })

  test('a prepared statement survives a migration and a discard', async () => {
    const wide = await table('id int')
    const all = () => query.query(`select * from ${wide}`).then(({ fields }) => fields.map((field) => field.name))
    await all()
    await all()
    expect(await all()).toEqual(['id'])
    await pg.query(`alter table ${wide} add column more int`)
    expect(await all()).toEqual(['id', 'more'])
    await query`discard all`
    expect(await all()).toEqual(['id', 'more'])
  })

  test('what is not a request is refused and harms nobody', async () => {
    const bodies = ['', '{', 'null', '[]', '{"query": 1}', '{"queries": {}}', '{"query": "select 1", "params": "x"}']
    const zero = JSON.stringify({ query: 'select 1\0; drop' })
    const many = JSON.stringify({ query: 'select 1', params: Array(70_000).fill(null) })
    for (const body of [...bodies, zero, many]) {
      const answer = await post(body)
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: '08P01' })
    }
    const wrong = { 'neon-connection-string': pg.connectionString.replace(/:[^:@]+@/, ':wrong@') }
    expect(await (await post({ query: 'select 1' }, wrong)).json()).toMatchObject({ code: '28P01' })
    const token = await post({ query: 'select 1' }, { ...wrong, authorization: 'Bearer x' })
    expect(await token.json()).toMatchObject({ code: '28000' })
    expect((await fetch(pg.url)).status).toBe(405)
    expect((await roundTrip()).status).toBe(404)
    expect((await post({ query: 'x'.repeat(65 * 1024 * 1024) })).status).toBe(413)
    expect((await query`select 1 as still_here`).rows).toEqual([{ still_here: 1 }])
  })

  if (name === 'PGlite') {
    test('vectors are compared by distance', async () => {
      await pg.query('create extension if not exists vector')
      const points = await table('id int, at vector(3)')
      await pg.query(`insert into ${points} values (1, '[1,0,0]'), (2, '[0,1,0]')`)
      const { rows } = await query.query(`select id from ${points} order by at <=> $1 limit 1`, ['[0.1,0.9,0]'])
      expect(rows).toEqual([{ id: 2 }])
    })
  }
})
