import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { PASSWORD } from '#test/world'
import { buildWorker } from '../local/worker.ts'
import { insertPeople } from './people.ts'
import { middle } from './report.ts'
import { openStage, startOurs } from './stage.ts'

const BUNDLES = join(resolve(import.meta.dirname, '..'), 'node_modules/.cache/aurelius')
const AIM = 3

const { values } = parseArgs({
  options: {
    'database-url': { type: 'string' },
    'sign-ins': { type: 'string', default: '50' },
    connections: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
  },
})

const quantile = (took: number[], share: number) =>
  took.toSorted((a, b) => a - b)[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN

const stage = await openStage(values['database-url'])
const ours = await startOurs('ours', await buildWorker(BUNDLES, { minify: true }), stage.vars)

async function signIn(email: string) {
  const body = JSON.stringify({ email, password: PASSWORD })
  const began = performance.now()
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${ours.url}/v1/auth/login`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
  const isRefused = answer.status === 429 || answer.status === 503
  if (answer.status !== 200 && !(isRefused && answer.headers.has('retry-after')))
    throw new Error(`a sign-in is answered ${answer.status}`)
  return { status: answer.status, ms: performance.now() - began }
}

/** Others' requests, one after the other on each connection, until `isOver`; how long each took. */
async function others(tokens: string[], isOver: () => boolean): Promise<number[]> {
  const took: number[] = []
  const connect = async (token: string) => {
    while (!isOver()) {
      const began = performance.now()
      const answer = await fetch(`${ours.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })
      await answer.arrayBuffer()
      if (answer.status !== 200) throw new Error(`another request is answered ${answer.status}`)
      took.push(performance.now() - began)
    }
  }
  await Promise.all(tokens.map(connect))
  return took
}

try {
  const count = Number(values['sign-ins'])
  const people = await insertPeople(stage.postgres, stage.vars, Math.max(count, Number(values.connections)), 0)
  const first = { email: 'first@example.com', password: PASSWORD, displayName: 'Sam' }
  const headers = { 'content-type': 'application/json' }
  await fetch(`${ours.url}/v1/auth/register`, { method: 'POST', headers, body: JSON.stringify(first) })
  // A hash is bound to nobody: all have the one password.
  await stage.postgres.query(`insert into credentials (user_id, password_hash)
    select u.id, c.password_hash from users u, credentials c where u.email <> 'first@example.com'`)
  const tokens = people.slice(0, Number(values.connections)).map(({ accessToken }) => accessToken)
  const emails = people.slice(0, count).map(({ userId }) => `${userId}@example.com`)
  console.log(`${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}, PostgreSQL ${stage.serverVersion}`)
  console.log(
    `${count} sign-ins at once beside ${tokens.length} connections that ask who they are, ${values.rounds} rounds`,
  )
  await others(tokens, until(1000))
  const alone: number[] = []
  for (let n = 0; n < 5; n++) alone.push((await signIn('first@example.com')).ms)
  const ratios: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    await wait(500)
    const before = await others(tokens, until(2000))
    let isDone = false
    const during = others(tokens, () => isDone)
    const signed = await Promise.all(emails.map(signIn))
    isDone = true
    const [calm, meanwhile] = [quantile(before, 0.99), quantile(await during, 0.99)]
    ratios.push(meanwhile / calm)
    const ok = signed.filter(({ status }) => status === 200)
    const slowest = Math.max(...signed.map(({ ms }) => ms))
    console.log(
      `others: p99 ${calm.toFixed(1)} ms before, ${meanwhile.toFixed(1)} ms meanwhile (${(meanwhile / calm).toFixed(1)}x); sign-ins: ${ok.length} of ${count} let in, the others told when to come back, the last after ${(slowest / 1000).toFixed(1)} s`,
    )
  }
  console.log(
    `one sign-in alone: ${middle(alone).toFixed(0)} ms; others' p99: ${middle(ratios).toFixed(1)}x, aim ${AIM}x`,
  )
} finally {
  await ours.stop()
  await stage.close()
}

function until(ms: number): () => boolean {
  const end = performance.now() + ms
  return () => performance.now() > end
}
