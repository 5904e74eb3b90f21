import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildWorker } from '../local/worker.ts'
import { gzipBytes, withBareBundle } from './bundles.ts'
import { compare, type Runner, startLoad } from './measure.ts'
import { HAS_EVENTS, OPERATION_NAMES, type Operation } from './operations.ts'
import { insertPeople } from './people.ts'
import { measureReady, type Starts } from './ready.ts'
import { printHeader, printRows } from './report.ts'
import { type Contender, openStage, type Stage, startBare, startOurs } from './stage.ts'
import { measureStartup, type Startup } from './startup.ts'
import { recordTrips } from './statements.ts'

type Options = {
  databaseUrl: string | undefined
  against: string | undefined
  seconds: number
  connections: number[]
  rounds: number
  only: Operation[]
}
type Undo = (() => unknown)[]

const ROOT = resolve(import.meta.dirname, '..')
const BUNDLES = join(ROOT, 'node_modules/.cache/aurelius')
const MAX_GZIP_BYTES = 1_000_000
const MAX_STARTUP_MS = 50
const MAX_FIRST_START_S = 25
const MAX_LATER_START_S = 10
const MIN_PEOPLE = 20
// More than one person completes in a round.
const OPEN_TASKS_PER_S = 150
const USAGE = `npm run bench -- [--database-url postgres://…] [--seconds 0.5: of a round] [--connections 1,20]
  [--rounds 3] [--only list,create] [--against DIR: another tree, measured beside this one]`

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      'database-url': { type: 'string' },
      against: { type: 'string' },
      seconds: { type: 'string', default: '0.5' },
      connections: { type: 'string', default: '1,20' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: OPERATION_NAMES.join() },
    },
  })
  const only = values.only.split(',')
  return {
    databaseUrl: values['database-url'],
    against: values.against && resolve(values.against),
    seconds: positive('--seconds', values.seconds),
    connections: values.connections.split(',').map((each) => positive('--connections', each)),
    rounds: positive('--rounds', values.rounds),
    only: OPERATION_NAMES.filter((name) => only.includes(name)),
  }
}

function positive(name: string, value: string): number {
  const number = Number(value)
  if (!(number > 0)) throw new Error(`${name} ${value}: a number above 0 is needed\nUse: ${USAGE}`)
  return number
}

/** The built Worker with no consumer for its events: what a request costs by itself. */
async function startHeld(bundleDir: string, vars: Record<string, string>, undo: Undo): Promise<Contender> {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-held-'))
  undo.push(() => rmSync(dir, { recursive: true, force: true }))
  const config = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')
  writeFileSync(join(dir, 'wrangler.toml'), config.replace(/^\[\[queues\.consumers\]\]\n(?:[^[\n].*\n)*/gm, ''))
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'), 'junction')
  return await startOurs('held', bundleDir, vars, dir)
}

async function startRunners(bundleDir: string, stage: Stage, options: Options, undo: Undo): Promise<Runner[]> {
  const { postgres, vars } = stage
  const most = Math.max(...options.connections)
  const open = Math.ceil(OPEN_TASKS_PER_S * options.seconds)
  const runners: Runner[] = []
  const enter = async (starting: Promise<Contender>) => {
    const contender = await starting
    undo.push(contender.stop)
    // Each connection has people of its own, whatever the number of connections.
    const people = await insertPeople(postgres, vars, most * Math.ceil(MIN_PEOPLE / most), open)
    const runner = startLoad(contender, people)
    undo.push(() => runner.child.kill())
    runners.push(runner)
  }
  const [model] = await insertPeople(postgres, vars, 1, 1)
  if (!model) throw new Error('nobody was made')
  const trips = JSON.stringify(await recordTrips(vars, model))
  await enter(startOurs('ours', bundleDir, vars))
  await enter(startHeld(bundleDir, vars, undo))
  if (options.against) {
    const other = await buildWorker(BUNDLES, { minify: true, sourceDir: options.against })
    await enter(startOurs('other', other, vars, options.against))
  }
  await withBareBundle((dir) => enter(startBare(dir, { ...vars, TRIPS: trips })))
  await postgres.query('vacuum analyze')
  return runners
}

async function measureRequests(bundleDir: string, options: Options): Promise<Startup> {
  const undo: Undo = []
  const close = async () => {
    for (let end = undo.pop(); end; end = undo.pop()) await end()
  }
  stopOnSignals(close)
  try {
    const stage = await openStage(options.databaseUrl)
    undo.push(stage.close)
    const runners = await startRunners(bundleDir, stage, options, undo)
    printHeader({ ...options, postgres: stage.serverVersion, people: runners[0]?.people.length ?? 0 })
    for (const operation of options.only) {
      const taking = runners.filter(({ name }) => name !== 'held' || HAS_EVENTS.has(operation))
      for (const connections of options.connections) {
        const load = { operation, connections, ms: options.seconds * 1000 }
        printRows(operation, connections, await compare(taking, stage, load, options.rounds))
      }
      await stage.postgres.query('vacuum')
    }
    const [person] = await insertPeople(stage.postgres, stage.vars, 1, 1)
    if (!person) throw new Error('nobody was made')
    return await measureStartup(bundleDir, {
      vars: { ...stage.vars, LOG_LEVEL: 'error' },
      accessToken: person.accessToken,
    })
  } finally {
    await close()
  }
}

function stopOnSignals(close: () => Promise<void>): void {
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.once(signal, () => close().finally(() => process.exit(1)))
  // Miniflare's own would end the process before the database is put away.
  process.on('newListener', (event, listener) => {
    if (signals.some((signal) => signal === event)) setImmediate(() => process.off(event, listener))
  })
}

/** Whether the hard limits hold. */
async function main(): Promise<boolean> {
  const options = readOptions()
  const bundleDir = await buildWorker(BUNDLES, { minify: true })
  const { ms, medianMs, first, emptyMs, isolates } = await measureRequests(bundleDir, options)
  const bytes = gzipBytes(bundleDir)
  const { ours, bare, buildS } = await measureReady()
  const isSoon = ours.first.wallS + buildS < MAX_FIRST_START_S && ours.later.wallS < MAX_LATER_START_S
  const verdict = (good: boolean) => (good ? 'ok' : 'TOO MUCH')
  console.log(`
bundle    ${Math.round(bytes / 1000)} kB gzip, limit ${MAX_GZIP_BYTES / 1000}: ${verdict(bytes < MAX_GZIP_BYTES)}
start-up  ${ms.toFixed(1)} ms, limit ${MAX_STARTUP_MS}: ${verdict(ms < MAX_STARTUP_MS)}
          from asking for a new isolate to its first answer: the bundle compiled and its top level run, over the same
          for an empty Worker (${emptyMs.toFixed(1)} ms); the fastest of ${isolates} in one workerd, their median ${medianMs.toFixed(1)} ms
first     ${first.ms.toFixed(1)} ms, median ${first.medianMs.toFixed(1)} ms: the same up to the answer to a first GET /v1/tasks, with its trip to Postgres
ready     ${startsOf(ours)}, limits ${MAX_FIRST_START_S} and ${MAX_LATER_START_S}: ${verdict(isSoon)}
          npm start on an empty folder, and again on what that left; the first ever builds the Worker besides, in ${buildS.toFixed(1)} s
          bare: ${startsOf(bare)}: an empty database opened, an empty Worker answering`)
  return bytes < MAX_GZIP_BYTES && ms < MAX_STARTUP_MS && isSoon
}

const startsOf = ({ first, later }: Starts) =>
  `${first.wallS.toFixed(1)} s first, ${later.wallS.toFixed(1)} s later, ${first.cpuS.toFixed(1)} and ${later.cpuS.toFixed(1)} s of the processor`

process.exitCode = await main().then(
  (good) => (good ? 0 : 1),
  (error) => {
    console.error(error instanceof Error ? error.message : error)
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
      console.error(USAGE)
    return 1
  },
)
