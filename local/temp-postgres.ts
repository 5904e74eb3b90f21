import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'

export type TempPostgres = { databaseUrl: string; close: () => Promise<void> }

type Installation = { bin: string; owner: { uid: number; gid: number } | undefined }

// Debian keeps the server's programs off the PATH.
const DEBIAN_BINS = '/usr/lib/postgresql/*/bin'

/** What it takes to run a PostgreSQL server here, or undefined: its programs, and somebody who is not root. */
export function findPostgres(): Installation | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...globSync(DEBIAN_BINS)]
  const bin = folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
  if (!bin) return undefined
  if (process.getuid?.() !== 0) return { bin, owner: undefined }
  const owner = findUser('postgres')
  return owner && { bin, owner }
}

/** A PostgreSQL server with an empty database, gone on close. It forgets nothing but a power cut: no fsync. */
export async function startTempPostgres({ bin, owner }: Installation): Promise<TempPostgres> {
  const home = mkdtempSync(join(tmpdir(), 'aurelius-server-'))
  if (owner) chownSync(home, owner.uid, owner.gid)
  const data = join(home, 'data')
  const user = ['--username', 'postgres', '--auth', 'trust', '--encoding', 'UTF8', '--locale', 'C']
  execFileSync(join(bin, 'initdb'), ['-D', data, '--no-sync', ...user], { ...owner, cwd: home, stdio: 'pipe' })

  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', `port=${port}`]
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...owner,
    cwd: home,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const stopAtOnce = () => server.kill('SIGQUIT')
  process.once('exit', stopAtOnce)
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  for await (const line of createInterface(server.stderr)) if (line.includes('ready to accept connections')) break
  server.stderr.resume()

  return {
    databaseUrl: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async close() {
      process.off('exit', stopAtOnce)
      server.kill('SIGINT')
      await exited
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function findUser(name: string): { uid: number; gid: number } | undefined {
  const number = (flag: string) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout || undefined)
  const user = { uid: number('-u'), gid: number('-g') }
  return Number.isNaN(user.uid) ? undefined : user
}
