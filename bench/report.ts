import { readFileSync } from 'node:fs'
import { arch, cpus, loadavg, platform, release } from 'node:os'
import { join, resolve } from 'node:path'

/** One round of one contender. `cpuMs` of workerd for a request, with what it does after the answer. */
export type Round = { tookMs: number[]; perSecond: number; cpuMs: number; saidTrips: number | null; trips: number }

type About = { postgres: string; seconds: number; rounds: number; people: number }

const ROOT = resolve(import.meta.dirname, '..')
const COLUMNS = [
  ['operation', 10],
  ['conn', 4],
  ['who', 7],
  ['req/s', 7],
  ['p50 ms', 8],
  ['p99 ms', 8],
  ['cpu', 7],
  ['trips', 6],
  ['all', 6],
  ['of bare', 8],
  ['its cpu', 8],
] as const

function versionOf(name: string): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'),
  )
  return `${name} ${version}`
}

export function printHeader({ postgres, seconds, rounds, people }: About): void {
  const cores = cpus()
  console.log(`Aurelius bench, ${new Date().toISOString().slice(0, 16)}Z

machine   ${cores[0]?.model.trim()}, ${cores.length} cores shared by all of this, load ${loadavg()[0]?.toFixed(1)} at the start; ${platform()} ${release()} ${arch()}
versions  Node ${process.versions.node}, ${['workerd', 'miniflare', 'hono', 'drizzle-orm', '@neondatabase/serverless'].map(versionOf).join(', ')}, PostgreSQL ${postgres}
workers   each minified, in a workerd of its own, reached without a proxy; log level and queue as wrangler.toml says
gateway   local/postgres.ts: Neon's HTTP protocol, 20 connections to Postgres, a text seen twice is a named statement
data      ${people} people for each contender, some hundred tasks each, their events heard and kept; no disk is waited
          for: the temporary Postgres runs without fsync, Durable Objects keep theirs in /dev/shm where there is one
rounds    ${rounds} of ${seconds} s after a warm-up, contenders in turn; the load comes from another process, keep-alive

bare      Hono, drizzle on neon-http, the JWT verified, and the very statement of ours, its text ready: nothing else
held      ours, its events kept from the queue's consumer: the request alone
cpu       processor seconds of workerd for 1,000 requests, user and system, with what follows their answers
trips     to Postgres: as Server-Timing says, and all the gateway saw for a request, with what follows it
of bare   requests a second, and bare's processor time as a share of it: the middle of the rounds, side by side
`)
  printLine(COLUMNS.map(([name]) => name))
}

function printLine(cells: readonly string[]): void {
  console.log(
    COLUMNS.map(([, width], i) => (i === 0 || i === 2 ? cells[i]?.padEnd(width) : cells[i]?.padStart(width))).join(' '),
  )
}

export function middle(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function quantile(rounds: Round[], share: number): number {
  const all = rounds.flatMap(({ tookMs }) => tookMs).sort((a, b) => a - b)
  return all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? Number.NaN
}

/** A line for each contender; the last one is what the others are measured by. */
export function printRows(operation: string, connections: number, measured: [string, Round[]][]): void {
  const bare = measured.at(-1)?.[1] ?? []
  const show = (value: number, digits: number) => (Number.isFinite(value) ? value.toFixed(digits) : '-')
  const percent = (value: number) => (Number.isFinite(value) ? `${Math.round(value * 100)} %` : '-')
  for (const [i, [name, rounds]] of measured.entries()) {
    const against = (share: (mine: Round, its: Round) => number) =>
      middle(rounds.flatMap((mine, n) => (bare[n] ? [share(mine, bare[n])] : [])))
    printLine([
      i === 0 ? operation : '',
      i === 0 ? String(connections) : '',
      name,
      show(middle(rounds.map(({ perSecond }) => perSecond)), 0),
      show(quantile(rounds, 0.5), 2),
      show(quantile(rounds, 0.99), 2),
      show(middle(rounds.map(({ cpuMs }) => cpuMs)), 2),
      show(middle(rounds.map(({ saidTrips }) => saidTrips ?? Number.NaN)), 2),
      show(middle(rounds.map(({ trips }) => trips)), 2),
      percent(against((mine, its) => mine.perSecond / its.perSecond)),
      percent(against((mine, its) => its.cpuMs / mine.cpuMs)),
    ])
  }
}
