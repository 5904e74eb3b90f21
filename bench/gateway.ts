import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { buildWorker } from '../local/worker.ts'
import type { Load, Measured } from './gateway-load.ts'
import { cpuSeconds, settle } from './measure.ts'
import { insertPeople } from './people.ts'
import { middle } from './report.ts'
import { openStage, startOurs, type Whole } from './stage.ts'

const BUNDLES = join(resolve(import.meta.dirname, '..'), 'node_modules/.cache/aurelius')
// Cheap, so that a day's budget lasts.
const MODEL = 'claude-haiku-5-5'
// By then what is run often has been compiled.
const WARM_UP_MS = 3000
// A second after a call its line goes to the ledger; those of the warm-up are not what is measured.
const FLUSHED_MS = 1500
const PACE_S = 5
const AIM = { connections: 20, p50: 2, p99: 10 }

const { values } = parseArgs({
  options: {
    'database-url': { type: 'string' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '1,20,100' },
    rounds: { type: 'string', default: '3' },
  },
})

const undo: (() => unknown)[] = []
const children: ChildProcess[] = []

function start(role: 'mock' | 'load'): ChildProcess {
  const child = fork(join(import.meta.dirname, 'gateway-load.ts'), [role])
  children.push(child)
  return child
}

async function run(child: ChildProcess, load: Load): Promise<Measured> {
  child.send(load)
  const [measured]: Measured[] = await once(child, 'message')
  if (!measured) throw new Error('nothing was measured')
  if (measured.failures.length > 0) throw new Error(`${load.url} failed: ${measured.failures[0]}`)
  return measured
}

function quantile(rounds: Measured[], share: number): number {
  const all = rounds.flatMap(({ tookMs }) => tookMs).sort((a, b) => a - b)
  return all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? Number.NaN
}

const row = (cells: (string | number)[]) =>
  console.log(cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(2) : cell).padStart(9)).join(' '))

type Pair = Record<'direct' | 'ours', Load>
const WHO = ['direct', 'ours'] as const

/** The same load on the model itself and through us, in turn. */
async function rounds(child: ChildProcess, loads: Pair): Promise<Record<'direct' | 'ours', Measured[]>> {
  const measured: Record<'direct' | 'ours', Measured[]> = { direct: [], ours: [] }
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const who of round % 2 === 0 ? WHO : WHO.toReversed()) measured[who].push(await run(child, loads[who]))
  }
  return measured
}

async function compare(child: ChildProcess, loads: Pair, name: string, pid: number): Promise<void> {
  for (const who of WHO) await run(child, { ...loads[who], ms: WARM_UP_MS })
  await wait(FLUSHED_MS)
  await settle(pid)
  const paced = (load: Load): Load => ({ ...load, paceS: PACE_S })
  const calm = await rounds(child, { direct: paced(loads.direct), ours: paced(loads.ours) })
  const cpuBefore = cpuSeconds(pid)
  const full = await rounds(child, loads)
  const answered = full.ours.reduce((sum, { tookMs }) => sum + tookMs.length, 0)
  const cpuMs = ((cpuSeconds(pid) - cpuBefore) * 1000) / answered
  const { connections } = loads.ours
  const added = [0.5, 0.99].map((share) => quantile(calm.ours, share) - quantile(calm.direct, share))
  for (const who of WHO) {
    const latency = [calm, full].flatMap((all) => [quantile(all[who], 0.5), quantile(all[who], 0.99)])
    const rate = middle(full[who].map(({ perSecond }) => perSecond)).toFixed(0)
    const cells = [name, String(connections), who, ...latency.slice(0, 2), ...(who === 'ours' ? added : ['', ''])]
    row([...cells, rate, ...latency.slice(2), ...(who === 'ours' ? [cpuMs] : [])])
  }
  const [p50 = Number.NaN, p99 = Number.NaN] = added
  const verdict = p50 < AIM.p50 && p99 < AIM.p99 ? 'met' : 'MISSED'
  if (connections === AIM.connections) console.log(`          aim: +${AIM.p50} ms and +${AIM.p99} ms, ${verdict}`)
}

// Behind the API: Miniflare does not know the methods of an object.
type Stewards = { getByName(name: string): { setBudget(change: { plan: 'max' }): Promise<unknown> } }

async function giveBudget({ worker }: Whole, userId: string): Promise<void> {
  const stewards = (await worker.miniflare.getDurableObjectNamespace('STEWARD')) as unknown as Stewards
  await stewards.getByName(userId).setBudget({ plan: 'max' })
}

async function main(): Promise<void> {
  const stage = await openStage(values['database-url'])
  undo.push(stage.close)
  const mock = start('mock')
  const [told]: { port: number }[] = await once(mock, 'message')
  const model = `http://127.0.0.1:${told?.port}`
  const vars = { ...stage.vars, ANTHROPIC_API_KEY: 'bench', ANTHROPIC_BASE_URL: model }
  const ours = await startOurs('ours', await buildWorker(BUNDLES, { minify: true }), vars)
  undo.push(ours.stop)
  const [person] = await insertPeople(stage.postgres, vars, 1, 1)
  if (!person) throw new Error('nobody was made')
  await giveBudget(ours, person.userId)
  const load = start('load')
  console.log(`A model on loopback that has its answer ready (16 pieces, 32 tokens), and the same through
POST /compat/anthropic/v1/messages: the built Worker in workerd, one trip to PostgreSQL ${stage.serverVersion} for the session.
Machine load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores at the start; ${values.rounds} rounds of ${values.seconds} s, in turn; one person.
Paced: each connection asks ${PACE_S} times a second. Full: each asks again as soon as it is answered.
cpu: processor time of workerd for one request, which other work on the machine does not change.\n`)
  row(['', '', '', 'paced', '', '', '', 'full'])
  row(['', 'conn', 'who', 'p50 ms', 'p99 ms', '+p50', '+p99', 'req/s', 'p50 ms', 'p99 ms', 'cpu ms'])
  const headers = { 'x-api-key': person.accessToken, 'anthropic-version': '2023-06-01' }
  for (const stream of [false, true]) {
    for (const connections of values.connections.split(',').map(Number)) {
      const messages = [{ role: 'user', content: 'Say something.' }]
      const body = JSON.stringify({ model: MODEL, max_tokens: 100, stream, messages })
      const ends = stream ? 'event: message_stop' : '"end_turn"'
      const common = { headers, body, ends, connections, ms: Number(values.seconds) * 1000 }
      const direct = { ...common, url: `${model}/v1/messages` }
      const through = { ...common, url: `${ours.url}/compat/anthropic/v1/messages` }
      await compare(load, { direct, ours: through }, stream ? 'stream' : 'whole', ours.pid)
    }
  }
}

try {
  await main()
} finally {
  for (const child of children) child.kill()
  for (let end = undo.pop(); end; end = undo.pop()) await end()
}
