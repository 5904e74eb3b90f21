import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { claimDataFolder } from './data-folder.ts'
import { startPostgres } from './postgres.ts'

const root = mkdtempSync(join(tmpdir(), 'aurelius-test-'))
const dataDir = join(root, 'a', 'b')
const start = () => startPostgres({ dataDir })

afterAll(() => rmSync(root, { recursive: true, force: true }))

test('data outlives a close, and the folder is held meanwhile', async () => {
  const first = await start()
  await first.query('create table kept (id int)')
  await first.query('insert into kept values (1)')
  await expect(start()).rejects.toThrow(`data folder ${dataDir} is in use by process ${process.pid}`)
  await first.close()

  const second = await start()
  expect(await second.query('select id from kept')).toEqual([{ id: 1 }])
  await second.close()
  expect(existsSync(join(dataDir, 'lock'))).toBe(false)
})

test('a crash costs the statement under which it happened, nothing else', async () => {
  const pg = await start()
  const crash = expect(pg.query('copy kept from stdin')).rejects.toMatchObject({ code: '57P02' })
  expect(await pg.query('select id from kept')).toEqual([{ id: 1 }])
  await crash
  await pg.close()
})

test('now and then statistics are gathered, and closing waits for nobody who would never finish', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] })
  const pg = await start()
  const tuples = async () => (await pg.query(`select reltuples from pg_class where relname = 'kept'`))[0]?.reltuples
  expect(await tuples()).toBe(-1)
  vi.advanceTimersByTime(10 * 60_000)
  vi.useRealTimers()
  expect(await tuples()).toBe(1)

  const running = expect(pg.query('do $$ begin loop end loop; end $$')).rejects.toMatchObject({ code: '57P02' })
  const queued = expect(pg.query('select 1')).rejects.toMatchObject({ code: '57P03' })
  await pg.close()
  await Promise.all([running, queued])
})

test('data of another major version is refused in the words of Postgres', async () => {
  writeFileSync(join(dataDir, 'cluster', 'PG_VERSION'), '9\n')
  await expect(start()).rejects.toThrow('incompatible with server')
  expect(existsSync(join(dataDir, 'lock'))).toBe(false)
})

test('the lock of a dead process is taken over, that of a living one is not', () => {
  const folder = join(root, 'locked')
  const dead = spawnSync(process.execPath, ['--version']).pid
  mkdirSync(folder)
  for (const stale of [`${dead}`, `${process.pid}`, '']) {
    writeFileSync(join(folder, 'lock'), stale)
    claimDataFolder(folder).release()
  }
  writeFileSync(join(folder, 'lock'), `${process.ppid}`)
  expect(() => claimDataFolder(folder)).toThrow(`in use by process ${process.ppid}`)
})

test('a cluster whose creation was cut short is created again', () => {
  const folder = join(root, 'half')
  mkdirSync(join(folder, 'cluster'), { recursive: true })
  writeFileSync(join(folder, 'cluster', 'PG_VERSION'), '18\n')
  const claimed = claimDataFolder(folder)
  expect(existsSync(claimed.cluster)).toBe(false)
  claimed.release()
})

test('the temporary folder of a killed process is swept away', () => {
  const dead = spawnSync(process.execPath, ['--version']).pid
  const abandoned = mkdtempSync(join(tmpdir(), 'aurelius-postgres-'))
  writeFileSync(join(abandoned, 'lock'), `${dead}`)
  const claimed = claimDataFolder()
  expect(existsSync(abandoned)).toBe(false)
  claimed.release()
  expect(existsSync(join(claimed.cluster, '..'))).toBe(false)
})
