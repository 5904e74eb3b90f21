import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { sql } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { CLAIMS, UNCLAIMED } from './claims.ts'
import { KEEPS_NOTHING, STORES } from './stores.ts'

const ROOT = resolve(import.meta.dirname, '../..')

async function declaredTables() {
  const files = globSync('src/*/tables.ts', { cwd: ROOT })
  const modules: object[] = await Promise.all(files.map((file) => import(join(ROOT, file))))
  return modules
    .flatMap((exported) => Object.values(exported))
    .filter((table) => table instanceof PgTable)
    .map((table) => getTableConfig(table))
}

const stored = new Set(STORES.flatMap(({ tables }) => [...tables]))

test('every table is claimed by a store, or says why it need not be', async () => {
  const names = (await declaredTables()).map(({ name }) => name)
  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !stored.has(name) && !(name in UNCLAIMED))).toEqual([])
  expect([...stored, ...Object.keys(UNCLAIMED)].filter((name) => !names.includes(name))).toEqual([])
})

test('what the database itself has is what the source declares', async () => {
  const { rows } = await testCtx().db.execute<{ name: string }>(
    sql`select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  )
  const names = rows.map(({ name }) => name)
  expect(names.filter((name) => !stored.has(name) && !(name in UNCLAIMED))).toEqual([])
})

test('a table whose rows do not go with their person by a cascade is deleted by name', async () => {
  const tables = await declaredTables()
  const cascades = (name: string): boolean =>
    name === 'users' ||
    tables
      .filter((table) => table.name === name)
      .flatMap(({ foreignKeys }) => foreignKeys)
      .some((key) => key.onDelete === 'cascade' && cascades(getTableConfig(key.reference().foreignTable).name))
  for (const [name, { loose = false, ledger = false }] of Object.entries(CLAIMS))
    expect([name, !cascades(name) && !ledger]).toEqual([name, loose])
})

test('claims name columns that are there, and tables that come later', async () => {
  const tables = await declaredTables()
  const order = Object.keys(CLAIMS)
  for (const [name, { owner, of, shown }] of Object.entries(CLAIMS)) {
    const columns = tables.find((table) => table.name === name)?.columns.map((column) => column.name) ?? []
    expect([name, columns]).toEqual([name, expect.arrayContaining([owner, ...(shown?.omit ?? [])])])
    if (shown) expect([name, columns]).toEqual([name, expect.arrayContaining([shown.by ?? 'id'])])
    if (of !== undefined) expect(order.indexOf(of)).toBeGreaterThan(order.indexOf(name))
  }
})

test('no column that may hold a secret is shown', async () => {
  const tables = await declaredTables()
  const suspicious = /hash|secret|token(?!s|_ms)|sealed|password|lease|content|credential/
  for (const [name, { shown }] of Object.entries(CLAIMS)) {
    if (!shown) continue
    const columns = tables.find((table) => table.name === name)?.columns.map((column) => column.name) ?? []
    const left = columns.filter((column) => suspicious.test(column) && !shown.omit?.includes(column))
    expect([name, left]).toEqual([name, []])
  }
})

test('every binding belongs to a store, or keeps nothing', () => {
  const [wrangler, extra, generated] = ['wrangler.toml', 'workers/bindings.d.ts', 'worker-configuration.d.ts'].map(
    (file) => readFileSync(join(ROOT, file), 'utf8'),
  )
  const inToml = [...(wrangler ?? '').matchAll(/^(?:binding|name) = "([A-Z][A-Z_]*)"/gm)].map(([, name]) => name ?? '')
  const inCode = [...(extra ?? '').matchAll(/^ {2}([A-Z_]+)\?:/gm)].map(([, name]) => name ?? '')
  const names = new Set([...inToml, ...inCode])
  const claimed = new Set([...STORES.flatMap(({ bindings }) => bindings), ...Object.keys(KEEPS_NOTHING)])
  expect([...names].filter((name) => !claimed.has(name))).toEqual([])
  expect([...claimed].filter((name) => !names.has(name))).toEqual([])
  const classes = [...(generated ?? '').matchAll(/^\t(\w+): DurableObjectNamespace/gm)].map(([, name]) => name ?? '')
  const owned: string[] = STORES.flatMap(({ bindings }) => [...bindings])
  expect(classes.length).toBeGreaterThan(0)
  for (const name of classes) expect(owned).toContain(name)
})
