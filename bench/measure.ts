import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Answered, Load } from './load.ts'
import type { Person } from './operations.ts'
import { reopenTasks } from './people.ts'
import type { Round } from './report.ts'
import type { Contender, Stage } from './stage.ts'

/** A contender with its own people and its own load. */
export type Runner = Contender & { people: Person[]; child: ChildProcess }

const WARM_UP_MS = 300
// By then what is run often has been compiled: of slow requests the first hundreds are mostly that.
const WARM_UP_REQUESTS = 500
const MAX_WARM_UPS = 20
const QUIET_MS = 50
const MAX_WAITS = 200
// Of /proc on Linux.
const TICK_S = 0.01

export function startLoad(contender: Contender, people: Person[]): Runner {
  const child = fork(join(import.meta.dirname, 'load.ts'))
  const ended = new AbortController()
  child.once('exit', () => ended.abort(new Error('the load ended before its time')))
  child.send({ url: contender.url, people })
  return { ...contender, people, child, gone: AbortSignal.any([contender.gone, ended.signal]) }
}

/** The same load on each contender in turn, round by round, whoever comes first changing. */
export async function compare(
  runners: Runner[],
  stage: Stage,
  load: Load,
  rounds: number,
): Promise<[string, Round[]][]> {
  const all = runners.map((runner): [Runner, Round[]] => [runner, []])
  for (const [runner] of all) await warmUp(runner, stage, load)
  for (let round = 0; round < rounds; round++) {
    for (const [runner, measured] of round % 2 === 0 ? all : all.toReversed()) {
      measured.push(await measure(runner, stage, load))
    }
  }
  return all.map(([{ name }, measured]) => [name, measured])
}

async function warmUp(runner: Runner, stage: Stage, load: Load): Promise<void> {
  let requests = 0
  for (let times = 0; requests < WARM_UP_REQUESTS && times < MAX_WARM_UPS; times++)
    requests += (await measure(runner, stage, { ...load, ms: WARM_UP_MS })).tookMs.length
}

async function measure({ pid, child, people, gone }: Runner, stage: Stage, load: Load): Promise<Round> {
  if (load.operation === 'complete') await reopenTasks(stage.postgres, people)
  const [cpuBefore, tripsBefore] = [cpuSeconds(pid), stage.trips()]
  child.send(load)
  const { tookMs, seconds, trips, failures } = await answerOf(child, gone)
  if (failures.length > 0) throw new Error(`${load.operation} failed: ${failures[0]}`)
  await settle(pid)
  const requests = tookMs.length
  return {
    tookMs,
    perSecond: requests / seconds,
    cpuMs: ((cpuSeconds(pid) - cpuBefore) * 1000) / requests,
    saidTrips: trips === null ? null : trips / requests,
    trips: (stage.trips() - tripsBefore) / requests,
  }
}

async function answerOf(child: ChildProcess, signal: AbortSignal): Promise<Answered> {
  const [answered] = await once(child, 'message', { signal })
  return answered
}

/** Processor seconds a process has had, user and system; NaN where there is no /proc. */
export function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_S
  } catch {
    return Number.NaN
  }
}

/** Waits until what a round left behind, events and lines of the ledger on their way, is done. */
export async function settle(pid: number): Promise<void> {
  for (let waits = 0; waits < MAX_WAITS; waits++) {
    const before = cpuSeconds(pid)
    await wait(QUIET_MS)
    if (!(cpuSeconds(pid) > before)) return
  }
}
