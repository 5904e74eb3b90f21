import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startWorld as startLocalWorld } from '../../local/world.ts'
import { PASSWORD } from '../world.ts'
import { type Chance, createChance } from './chance.ts'
import { arrayOf, auditPerson, type Report, type Seen, toldOf, unhandled } from './lib-effects.ts'
import { copyTree, createStack, type Stack } from './lib-stack.ts'
import { createWriter, type Held, type Writer } from './lib-writer.ts'
import { type Proof, scaled } from './proof.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const KILLS = 50
// A system that was tampered with is found out long before that.
const KILLS_WHEN_TAMPERED = 12
const WRITERS = 8
const EACH_WHILE_STARTING = 3
const STARTS_WITHIN_MS = 3000
// A slow machine makes up for it: from then on it is killed while it starts.
const WORK_MS = 170_000
const MOST_ANSWERS = 60
const KILLED_WITHIN_MS = 1500
const MOST_MORE_MS = 30
// The lease of an Idempotency-Key is 30 s: who died holding one is waited for.
const DRAIN_MS = 45_000
const HANDLE_MS = 30_000
const SIGN_IN_AFTER_MS = 5 * 60_000

type Someone = { userId: string; email: string; accessToken: string; signedInMs: number; writer: Writer }
type Place = { dataDir: string; port: number; databaseUrl: string | undefined }
type Counts = { kills: number; whileStarting: number; answers: number; startsMs: number[] }

export const proof: Proof = {
  id: 3,
  name: 'crash durability',
  fast: false,
  sabotages: {
    'a task is acknowledged before it is written': [
      {
        file: 'src/tasks/routes.ts',
        find: "const task = await createTask(c.var.ctx, c.req.valid('json'))",
        replace: `const { ctx } = c.var
          const id = ctx.newId('task')
          const write = () => createTask({ ...ctx, newId: () => id }, c.req.valid('json'))
          ctx.waitUntil(scheduler.wait(100).then(write))
          const task = { id, version: 1 }`,
      },
    ],
    'a repeated request makes new ids': [
      {
        file: 'src/security/idempotency.ts',
        find: 'newId: derivedIds(seed, ',
        replace: 'newId: derivedIds(Math.random() + seed, ',
      },
    ],
  },
  async run({ changes }, { seed, share }) {
    const violations: string[] = []
    const report: Report = (violation) => void violations.push(violation)
    const tree = changes.length > 0 ? copyTree(changes) : ROOT
    const dataDir = mkdtempSync(join(tmpdir(), 'aurelius-killed-'))
    const databaseUrl = databaseUrlOf(process.argv)
    const stack = await createStack({ tree, dataDir, databaseUrl })
    const counts: Counts = {
      kills: scaled(changes.length > 0 ? KILLS_WHEN_TAMPERED : KILLS, share),
      whileStarting: 0,
      answers: 0,
      startsMs: [],
    }
    try {
      await stack.start()
      const people = await enter(stack, createChance(seed), counts, report)
      await killAgainAndAgain(stack, people, createChance(seed + 1), counts, report)
      await stack.stop()
      const port = Number(new URL(stack.url).port)
      await audit({ dataDir, port, databaseUrl }, people, report)
      const writes = people.reduce((sum, { writer }) => sum + writer.held.reduce((n, { version }) => n + version, 0), 0)
      const starts = counts.startsMs.toSorted((a, b) => a - b)
      const median = Math.round(starts[Math.floor(starts.length / 2)] ?? 0)
      const notes = [
        `${counts.kills} × SIGKILL under ${WRITERS} writers on ${databaseUrl ? 'a Postgres server' : 'PGlite'},`,
        `${counts.whileStarting} of them while it started again;`,
        `${writes} writes acknowledged; ready again after ${median} ms (median)`,
      ]
      return { cases: counts.kills, violations, notes }
    } finally {
      await stack.kill('all')
      rmSync(dataDir, { recursive: true, force: true })
      if (tree !== ROOT) rmSync(tree, { recursive: true, force: true })
    }
  },
}

// The proofs' own option: the killed stack may stand on a Postgres server too.
function databaseUrlOf(argv: string[]): string | undefined {
  const { values } = parseArgs({ args: argv.slice(2), strict: false, options: { 'database-url': { type: 'string' } } })
  const url = values['database-url']
  return typeof url === 'string' ? url : undefined
}

async function enter(stack: Stack, chance: Chance, counts: Counts, report: Report): Promise<Someone[]> {
  const people: Someone[] = []
  for (let index = 0; index < WRITERS; index++) {
    const email = `writer-${crypto.randomUUID()}@example.com`
    const { userId, accessToken } = await signIn(stack, 'register', { email, displayName: `Writer ${index}` })
    const writer = createWriter({
      name: `writer ${index}`,
      url: stack.url,
      token: () => person.accessToken,
      chance: createChance(chance.int(2 ** 31)),
      ready: stack.ready,
      onAnswer: () => void counts.answers++,
      report,
    })
    const person = { userId, email, accessToken, signedInMs: performance.now(), writer }
    people.push(person)
  }
  return people
}

async function signIn(stack: Stack, how: 'register' | 'login', person: { email: string; displayName?: string }) {
  const answer = await fetch(`${stack.url}/v1/auth/${how}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...person, password: PASSWORD }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${how} answered ${answer.status}: ${text}`)
  const { user, accessToken }: { user: { id: string }; accessToken: string } = JSON.parse(text)
  return { userId: user.id, accessToken }
}

// An access token lasts ten minutes; on a slow machine the killing may take longer.
async function stayIn(stack: Stack, people: Someone[]): Promise<void> {
  for (const person of people) {
    if (performance.now() - person.signedInMs < SIGN_IN_AFTER_MS) continue
    person.accessToken = (await signIn(stack, 'login', { email: person.email })).accessToken
    person.signedInMs = performance.now()
  }
}

async function killAgainAndAgain(
  stack: Stack,
  people: Someone[],
  chance: Chance,
  counts: Counts,
  report: Report,
): Promise<void> {
  const isOver = new AbortController()
  const writing = people.map(({ writer }) => writer.run(isOver.signal))
  const beganMs = performance.now()
  for (let kill = 0; kill < counts.kills; kill++) {
    await work(chance, counts)
    await stack.kill(chance.pick(['all', 'alone'] as const))
    const isLate = performance.now() - beganMs > WORK_MS
    const more = isLate ? counts.kills : Number(kill % EACH_WHILE_STARTING === 0)
    for (let n = 0; n < more && kill + 1 < counts.kills; n++) {
      kill++
      counts.whileStarting++
      const starting = stack.start().catch(() => {})
      await wait(chance.int(STARTS_WITHIN_MS))
      await stack.kill('all')
      await starting
    }
    const startedMs = performance.now()
    await stack.start().catch(async (error) => {
      report(`did not start after a kill: ${String(error)}`)
      await stack.kill('all')
      await stack.start()
    })
    counts.startsMs.push(performance.now() - startedMs)
    await stayIn(stack, people)
  }
  isOver.abort()
  await Promise.all(writing)
  const left = await Promise.all(people.map(({ writer }) => writer.drain(DRAIN_MS)))
  const unanswered = left.reduce((sum, count) => sum + count, 0)
  if (unanswered > 0) report(`${unanswered} writes were never answered`)
}

// Killed after any number of answers, and then at any moment of the next.
async function work(chance: Chance, counts: Counts): Promise<void> {
  const enough = counts.answers + 1 + chance.int(MOST_ANSWERS)
  const deadline = performance.now() + KILLED_WITHIN_MS
  while (counts.answers < enough && performance.now() < deadline) await wait(5)
  await wait(chance.int(MOST_MORE_MS))
}

/** Looks behind the API when the killing is over, through the same stack on the same data. */
async function audit({ databaseUrl, ...rest }: Place, people: Someone[], report: Report): Promise<void> {
  const local = await startLocalWorld({ ...rest, ...(databaseUrl && { databaseUrl }) })
  try {
    const { mailbox } = local
    if (!mailbox) throw new Error('this world has no mailbox of its own')
    const seen: Seen = { url: local.url, worker: local.worker, query: local.postgres.query, mailbox }
    for (const { userId, writer } of people) await auditWriter(seen, userId, writer.held, report)
    await deliverAll(seen, people, report)
    for (const person of people) await auditPerson(seen, person, null, report)
  } finally {
    await local.stop()
  }
}

/** What was acknowledged is there as it was acknowledged, once, and so is each of its events. */
async function auditWriter(seen: Seen, userId: string, held: Held[], report: Report): Promise<void> {
  const rows = await seen.query('select id, title, notes, version, status from tasks where user_id = $1', [userId])
  const known = new Map(rows.map((row) => [String(row.id), row]))
  for (const { id, title, notes, version, isDone } of held) {
    const row = known.get(id)
    known.delete(id)
    if (!row) report(`"${title}" was acknowledged and is lost`)
    else if (Number(row.version) < version)
      report(`"${title}" lost ${version - Number(row.version)} acknowledged writes`)
    else if (Number(row.version) > version)
      report(`"${title}" was written ${Number(row.version) - version} times too often`)
    else if (row.title !== title || row.notes !== notes || (row.status === 'completed') !== isDone) {
      report(`"${title}" is not what was acknowledged`)
    }
  }
  for (const { title } of known.values()) report(`"${title}" is there once more than it was asked for`)
  const told = (await toldOf(seen, userId)).filter(({ type }) => type.startsWith('task.'))
  const expected = held.reduce((sum, { version }) => sum + version, 0)
  if (told.length !== expected) report(`${expected} writes were acknowledged and ${told.length} events told`)
}

async function deliverAll(seen: Seen, people: Someone[], report: Report): Promise<void> {
  const owners = [arrayOf(people.map(({ userId }) => userId))]
  const rows = await seen.query('select id from outbox where user_id = any($1::text[])', owners)
  const waits = 'update outbox set available_at = now() where dispatched_at is null and user_id = any($1::text[])'
  await seen.query(waits, owners)
  await seen.worker.scheduled()
  const ids = rows.map(({ id }) => String(id))
  const waiting = await unhandled(seen, ids, HANDLE_MS)
  if (waiting > 0) report(`${waiting} events were never delivered`)
}
