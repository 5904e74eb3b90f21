import { readdirSync, readFileSync } from 'node:fs'

// Of /proc.
const TICK_S = 0.01

/** Milliseconds of processor time this thread has had: what others do on the machine is not counted. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Processor seconds of a process and of all that it started, with those that have ended; only Linux tells, elsewhere 0. */
export function treeCpuS(root: number): number {
  if (process.platform !== 'linux') return 0
  const known = new Map(readdirSync('/proc').flatMap((name) => processOf(name)))
  const isOfRoot = (pid: number): boolean => pid === root || (known.has(pid) && isOfRoot(known.get(pid)?.parent ?? 0))
  return [...known].reduce((sum, [pid, { cpuS }]) => sum + (isOfRoot(pid) ? cpuS : 0), 0)
}

function processOf(name: string): [number, { parent: number; cpuS: number }][] {
  if (!/^\d+$/.test(name)) return []
  try {
    const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ').map(Number) ?? []
    const [, parent = 0] = fields
    return [[Number(name), { parent, cpuS: fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) * TICK_S }]]
  } catch {
    // It ended meanwhile.
    return []
  }
}
