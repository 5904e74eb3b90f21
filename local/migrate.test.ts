import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { neon, neonConfig } from '@neondatabase/serverless'
import { drizzle } from 'drizzle-orm/neon-http'
import { migrate as migrateByDrizzle } from 'drizzle-orm/neon-http/migrator'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { migrate } from './migrate.ts'
import { type Postgres, startPostgres } from './postgres.ts'

const CREATE = 'create table one (id int);\n--> statement-breakpoint\ncreate table two (id int);'
const FILL = 'insert into one values (1);'

neonConfig.fetchEndpoint = (host, port) => `http://${host}:${port}/sql`

let pg: Postgres
let dir: string

beforeAll(async () => {
  pg = await startPostgres()
}, 30_000)
afterAll(() => pg.close())

beforeEach(async () => {
  await pg.batch(
    ['drop schema if exists drizzle cascade', 'drop schema public cascade', 'create schema public'].map((query) => ({
      query,
    })),
  )
  dir = mkdtempSync(join(tmpdir(), 'aurelius-migrations-'))
  return () => rmSync(dir, { recursive: true })
})

const write = (files: Record<string, string>) => {
  const entries = Object.keys(files).map((tag, idx) => ({
    idx,
    version: '7',
    when: 1000 + idx,
    tag,
    breakpoints: true,
  }))
  mkdirSync(join(dir, 'meta'), { recursive: true })
  writeFileSync(join(dir, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'postgresql', entries }))
  for (const [tag, text] of Object.entries(files)) writeFileSync(join(dir, `${tag}.sql`), text)
}
const ones = async () => (await pg.query('select id from one')).map(({ id }) => id)
const byDrizzle = () => migrateByDrizzle(drizzle(neon(pg.connectionString)), { migrationsFolder: dir })

test('migrations are applied in order, once', async () => {
  write({ '0000_create': CREATE, '0001_fill': FILL })
  expect(await migrate(pg, dir)).toEqual(['0000_create', '0001_fill'])
  expect(await migrate(pg, dir)).toEqual([])
  expect(await ones()).toEqual([1])
})

test('two that start at once apply each migration once', async () => {
  write({ '0000_create': CREATE, '0001_fill': FILL })
  const applied = await Promise.all([migrate(pg, dir), migrate(pg, dir), migrate(pg, dir)])
  expect(applied.flat().sort()).toEqual(['0000_create', '0001_fill'])
  expect(await ones()).toEqual([1])
})

test('a migration that fails leaves nothing behind and is tried again', async () => {
  write({ '0000_create': CREATE, '0001_fill': `${FILL}\n--> statement-breakpoint\nselect broken` })
  await expect(migrate(pg, dir)).rejects.toThrow('migration 0001_fill failed: column "broken" does not exist')
  expect(await ones()).toEqual([])
  write({ '0000_create': CREATE, '0001_fill': FILL })
  expect(await migrate(pg, dir)).toEqual(['0001_fill'])
})

test('a migration edited after it was applied is refused before anything else is done', async () => {
  write({ '0000_create': CREATE })
  await migrate(pg, dir)
  write({ '0000_create': `${CREATE} -- better`, '0001_fill': FILL })
  await expect(migrate(pg, dir)).rejects.toThrow('changed after it was applied: 0000_create')
  expect(await ones()).toEqual([])
})

test('a migration that requires an extension waits until it can be had', async () => {
  write({ '0000_vector': '-- requires: vector\ncreate extension vector;', '0001_create': CREATE })
  const without: typeof pg = {
    ...pg,
    query: async (query, params) => (query.includes('pg_available_extensions') ? [] : pg.query(query, params)),
  }
  const skipped: string[][] = []
  expect(await migrate(without, dir, (...skip) => skipped.push(skip))).toEqual(['0001_create'])
  expect(skipped).toEqual([['0000_vector', 'vector']])
  expect(await migrate(pg, dir)).toEqual(['0000_vector'])
})

test('the migrator of drizzle-orm and this one take turns', async () => {
  write({ '0000_create': CREATE })
  await byDrizzle()
  expect(await migrate(pg, dir)).toEqual([])
  write({ '0000_create': CREATE, '0001_fill': FILL })
  expect(await migrate(pg, dir)).toEqual(['0001_fill'])
  await byDrizzle()
  expect(await ones()).toEqual([1])
})
