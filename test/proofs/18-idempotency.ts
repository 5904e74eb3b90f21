import { isDeepStrictEqual } from 'node:util'
import { createAuditor, growth } from '../matrix-audit.ts'
import { kindOf } from '../matrix-objects.ts'
import { type Request, requestFor } from '../matrix-requests.ts'
import { validRequest } from '../matrix-valid.ts'
import { type Operation, pathParameters } from '../openapi-document.ts'
import { isObject } from '../openapi-schema.ts'
import type { Answer, Person, Sabotage, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'

const KEYS = 200
const CRASHES = 96
const PARALLEL = 20
const AT_ONCE = 2
const LOST = 0.4
const LOST_WITHIN_MS = 25

/** One request of one person under one key, and what doing it once amounts to. */
type Trial = { operation: Operation; person: Person; request: Request; key: string }
type Effects = { rows: Record<string, number>; events: Record<string, number> }
type Auditor = Awaited<ReturnType<typeof createAuditor>>
type Report = (what: string) => void
type Once = { effects: Map<Operation, Effects>; report: Report }

// A Worker that dies as it is told to, with the key in its hand.
const MORTAL: Sabotage[] = [
  {
    file: 'workers/guard.ts',
    find: 'ctx.newId = claim.newId',
    replace: "ctx.newId = claim.newId\n  if (c.req.header('x-die') === 'before') throw new Error('died')",
  },
  {
    file: 'workers/guard.ts',
    find: '  await keepAnswer(ctx',
    replace: "  if (c.req.header('x-die') === 'after') throw new Error('died')\n  await keepAnswer(ctx",
  },
]

export const proof: Proof = {
  id: 18,
  name: 'idempotency',
  fast: true,
  sabotages: {
    'every request runs, with ids of its own': [
      {
        file: 'workers/guard.ts',
        find: 'const claim = await claimKey(ctx, request)',
        replace: "const claim = { kind: 'run', newId: ctx.newId }",
      },
    ],
    'who takes over draws new ids': [
      {
        file: 'src/security/idempotency.ts',
        find: 'newId: derivedIds(seed, ',
        replace: 'newId: derivedIds(crypto.randomUUID() + seed, ',
      },
    ],
    'another body is not noticed': [
      {
        file: 'src/security/idempotency.ts',
        find: 'if (row.fingerprint !== request.fingerprint)',
        replace: 'if (row.fingerprint === undefined)',
      },
    ],
    'a key in use is not respected': [
      {
        file: 'src/security/idempotency.ts',
        find: 'if (row.holder !== ctx.requestId) {',
        replace: 'if (row.holder === undefined) {',
      },
    ],
  },
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const violations: string[] = []
    const report: Report = (what) => void violations.push(what)
    const auditor = await createAuditor(world)
    const keyed = world.operations.filter(({ takesKey }) => takesKey)
    const once = new Map<Operation, Effects>()
    for (const operation of keyed) once.set(operation, await effectsOnce(world, auditor, operation, report))
    const storms = Array.from({ length: scaled(KEYS, share) }, (_, index) => keyed[index % keyed.length])
    const operations = chance.shuffle(storms).flatMap((operation) => operation ?? [])
    const lost = { answers: 0, holders: 0 }
    await eachOf(operations, AT_ONCE, async (operation, index) => {
      const trial = await newTrial(world, operation, `storm-${index}`)
      await tryStorm(world, auditor, chance, trial, once.get(operation), lost, report)
    })
    const crashes = Array.from({ length: scaled(CRASHES, share) }, (_, index) => keyed[index % keyed.length])
    const mortal = await world.sabotaged(MORTAL)
    try {
      // It has Stewards of its own, and its ledger waits in those.
      const coroner = await createAuditor(mortal)
      for (const operation of chance.shuffle(crashes).flatMap((known) => known ?? [])) {
        await tryDeadBefore(mortal, coroner, operation, { effects: once, report })
        await tryDeadAfter(mortal, coroner, operation, { effects: once, report })
      }
    } finally {
      await mortal.stop()
    }
    const notes = [
      `${keyed.length} operations take a key; ${operations.length} keys, ${PARALLEL} requests each:`,
      `${lost.answers} answers lost, ${lost.holders} holders died on the way; ${crashes.length} crashes each before and after the commit`,
    ]
    return { cases: operations.length * PARALLEL + crashes.length * 8, violations, notes }
  },
}

async function newTrial(world: World, operation: Operation, key: string): Promise<Trial> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  const kind = kindOf(operation.path)
  if (!kind && pathParameters(operation.path).length > 0) throw new Error(`no factory makes what ${operation.id} names`)
  const id = await kind?.make(world, person, 'once')
  if (kind && id !== undefined) await kind.before?.[operation.operationId]?.(world, person, id)
  const ids = kind && id !== undefined ? { [kind.prefix]: id } : {}
  const isNaming = operation.operationId === 'bulkSchedules'
  const request = isNaming ? await validRequest(world, operation, person) : requestFor(world.document, operation, ids)
  return { operation, person, request, key }
}

function send({ person, request, key }: Trial, change: { body?: unknown; signal?: AbortSignal } = {}): Promise<Answer> {
  const headers = { ...request.options.headers, 'idempotency-key': key }
  return person.api(request.method, request.path, { ...request.options, ...change, headers })
}

const codeOf = (answer: Answer) => `${answer.status} ${/"code":"(\w+)"/.exec(answer.text)?.[1] ?? ''}`.trim()
const another = (body: unknown) => (isObject(body) ? { ...body, another: true } : {})

async function measure(auditor: Auditor, person: Person, work: () => Promise<void>): Promise<Effects> {
  const [before, told] = [await auditor.holdings(person.userId), await auditor.events(person.userId)]
  await work()
  const [after, tells] = [await auditor.holdings(person.userId), await auditor.events(person.userId)]
  const events = Object.entries(tells).map(([type, count]) => [type, count - (told[type] ?? 0)] as const)
  return { rows: growth(before, after), events: Object.fromEntries(events.filter(([, count]) => count !== 0)) }
}

async function effectsOnce(world: World, auditor: Auditor, operation: Operation, report: Report): Promise<Effects> {
  const trial = await newTrial(world, operation, 'once')
  const found = await measure(auditor, trial.person, async () => {
    const answer = await send(trial)
    if (answer.status >= 300)
      report(`${operation.id}: its sample is answered ${codeOf(answer)} ${answer.text.slice(0, 160)}`)
  })
  const { idempotency_keys: _, ...rows } = found.rows
  return { ...found, rows }
}

// The row of the key itself is one more for each key, whatever it did.
function compare(where: string, found: Effects, once: Effects | undefined, report: Report, keys = 1): void {
  const expected = { ...once?.rows, ...(keys > 0 && { idempotency_keys: keys }) }
  if (!isDeepStrictEqual(found.rows, expected) || !isDeepStrictEqual(found.events, once?.events))
    report(`${where}: did ${JSON.stringify(found)} and not ${JSON.stringify({ rows: expected, events: once?.events })}`)
}

/** Many at once, some of whom go away before they are answered; then the client asks until it is told. */
async function tryStorm(
  world: World,
  auditor: Auditor,
  chance: Chance,
  trial: Trial,
  once: Effects | undefined,
  lost: { answers: number; holders: number },
  report: Report,
): Promise<void> {
  const { operation, person, request } = trial
  const answers: Answer[] = []
  const found = await measure(auditor, person, async () => {
    const all = Array.from({ length: PARALLEL }, async () => {
      const leaves = chance.next() < LOST
      const after = AbortSignal.timeout(Math.round(chance.next() * LOST_WITHIN_MS))
      try {
        answers.push(await send(trial, leaves ? { signal: after } : {}))
      } catch {
        lost.answers++
      }
    })
    await Promise.all(all)
    if (await endLeases(world, trial)) lost.holders++
    answers.push(await send(trial), await send(trial))
  })
  const where = `${operation.id} in a storm`
  compare(where, found, once, report)
  const strange = answers.find((answer) => answer.status >= 300 && codeOf(answer) !== '409 idempotency_in_progress')
  if (strange) report(`${where}: is answered ${codeOf(strange)}`)
  const told = answers.filter(({ status }) => status < 300)
  const bodies = new Set(told.map(({ text }) => text))
  if (bodies.size !== 1) report(`${where}: is given ${bodies.size} different answers`)
  if (!answers.at(-1)?.headers.get('idempotent-replayed')) report(`${where}: the last answer is no repeat`)
  const mismatch = await send(trial, { body: another(request.options.body) })
  if (mismatch.status !== 422) report(`${where}: another body is answered ${codeOf(mismatch)}`)
}

/** Lets the lease of a holder that is gone end now; whether there was one. */
async function endLeases(world: World, { person, key }: Trial): Promise<boolean> {
  const rows = await world.query(
    `update idempotency_keys set locked_until = now() - interval '1 second'
      where principal = $1 and key = $2 and status is null returning key`,
    [person.userId, key],
  )
  return rows.length > 0
}

/** A holder that died before its effect was committed: whoever comes meanwhile waits, whoever comes after finishes. */
async function tryDeadBefore(mortal: World, auditor: Auditor, operation: Operation, once: Once) {
  const { report } = once
  const where = `${operation.id}, its holder dead before the commit`
  const trial = await newTrial(mortal, operation, 'died-before')
  const none = await measure(auditor, trial.person, async () => {
    await die(trial, 'before', report)
    const waiting = await send(trial)
    if (codeOf(waiting) !== '409 idempotency_in_progress' || !waiting.headers.get('retry-after'))
      report(`${operation.id}: a key in use is answered ${codeOf(waiting)}`)
    const other = await send(trial, { body: another(trial.request.options.body) })
    if (other.status !== 422) report(`${operation.id}: another body under a key in use is answered ${codeOf(other)}`)
  })
  compare(`${operation.id} while another holds the key`, none, { rows: {}, events: {} }, report)
  const finished = await measure(auditor, trial.person, async () => {
    await endLeases(mortal, trial)
    const answers = await Promise.all([send(trial), send(trial), send(trial)])
    if (!answers.some(({ status }) => status < 300))
      report(`${where}: nobody finishes: ${answers.map(codeOf).join(', ')}`)
  })
  compare(where, finished, once.effects.get(operation), report, 0)
}

/** A holder that died when its effect was there and its answer was not kept: the next finds what it made. */
async function tryDeadAfter(mortal: World, auditor: Auditor, operation: Operation, once: Once) {
  const { report } = once
  const where = `${operation.id}, its holder dead after the commit`
  const trial = await newTrial(mortal, operation, 'died-after')
  const found = await measure(auditor, trial.person, async () => {
    await die(trial, 'after', report)
    await endLeases(mortal, trial)
    const [next, again] = [await send(trial), await send(trial)]
    if (next.status >= 300) report(`${where}: is answered ${codeOf(next)} ${next.text.slice(0, 120)}`)
    if (next.text !== again.text) report(`${where}: is given two answers`)
  })
  compare(where, found, once.effects.get(operation), report)
}

async function die({ person, request, key }: Trial, when: 'before' | 'after', report: Report) {
  const headers = { ...request.options.headers, 'idempotency-key': key, 'x-die': when }
  const { status } = await person.api(request.method, request.path, { ...request.options, headers })
  if (status !== 500) report(`${request.method} ${request.path}: its holder did not die but answered ${status}`)
}
