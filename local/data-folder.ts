import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export type DataFolder = {
  cluster: string
  /** The cluster has been created whole. */
  settle: () => void
  release: () => void
}

const TEMPORARY_PREFIX = 'aurelius-postgres-'

const held = new Set<string>()

/** Take the folder for this process alone; without one, a temporary folder that goes away on release. */
export function claimDataFolder(dataDir?: string): DataFolder {
  if (!dataDir) sweepAbandoned()
  const root = dataDir ? resolve(dataDir) : mkdtempSync(join(tmpdir(), TEMPORARY_PREFIX))
  mkdirSync(root, { recursive: true })
  lock(root)
  const cluster = join(root, 'cluster')
  const complete = join(root, 'complete')
  // A first start that was cut short left half a cluster, which never held anything of anyone's.
  if (!existsSync(complete)) rmSync(cluster, { recursive: true, force: true })
  return {
    cluster,
    settle: () => writeFileSync(complete, ''),
    release() {
      // Once: afterwards the lock may be another's.
      if (!held.delete(root)) return
      rmSync(dataDir ? lockFile(root) : root, { recursive: true, force: true })
    },
  }
}

function lock(root: string): void {
  const holder = findHolder(root)
  if (holder) throw new Error(`data folder ${root} is in use by process ${holder}`)
  rmSync(lockFile(root), { force: true })
  try {
    writeFileSync(lockFile(root), `${process.pid}`, { flag: 'wx' })
  } catch (cause) {
    throw new Error(`data folder ${root} is in use: another process took it just now`, { cause })
  }
  held.add(root)
}

function findHolder(root: string): number | undefined {
  const pid = readPid(root)
  if (!pid) return undefined
  // In a container a new process often has the number of the dead one: our own pid counts only if we hold the folder.
  if (pid === process.pid) return held.has(root) ? pid : undefined
  return isAlive(pid) ? pid : undefined
}

function readPid(root: string): number | undefined {
  try {
    return Number(readFileSync(lockFile(root), 'utf8')) || undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

// A process that was killed could not remove its temporary folder.
function sweepAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const root = join(tmpdir(), name)
    if (name.startsWith(TEMPORARY_PREFIX) && readPid(root) && !findHolder(root)) {
      rmSync(root, { recursive: true, force: true })
    }
  }
}

function lockFile(root: string): string {
  return join(root, 'lock')
}
