import { setTimeout as wait } from 'node:timers/promises'
import { ERASURE_STEPS } from '#account'
import { createAuditor, differences, type Holdings } from '../matrix-audit.ts'
import { makeId, type Person, type Sabotage, type World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { exportAll, firstDifference, importAll, pages, viewOf } from './lib-archive.ts'
import { door, type Report, TOPICS, toldOf, unhandled } from './lib-effects.ts'
import { askForErasure, erasePerson, fillPlaces, receiptOf } from './lib-erasure.ts'
import { openListener } from './lib-listener.ts'
import { auditErased, keysWith, rememberedOf, tablesWith } from './lib-traces.ts'
import { type Proof, scaled } from './proof.ts'

const FAILS = 2
const HANDLED_WITHIN_MS = 20_000
const REACHED_WITHIN_MS = 30_000

// A step that is told to fails once its work is done and before anybody hears of it.
const FAULTS: Sabotage[] = [
  {
    file: 'src/account/erase.ts',
    find: '  await empty(ctx, store, userId)\n}',
    replace: `  await empty(ctx, store, userId)
  await ctx.db.execute(sql\`select proof_31.fault(\${id}, \${step})\`)
}`,
  },
  {
    file: 'src/account/erase.ts',
    find: 'if (!store) return await finish(ctx, id, userId)',
    replace: `if (!store) {
    await ctx.db.execute(sql\`select proof_31.fault(\${id}, \${step})\`)
    return await finish(ctx, id, userId)
  }`,
  },
]
const SKIPPED = (store: string): Sabotage => ({
  file: 'src/account/stores.ts',
  find: '[grants, vectors, runs, postgres, session, steward, files]',
  replace: `[grants, vectors, runs, postgres, session, steward, files].filter(({ name }) => name !== '${store}')`,
})

/** `kills`: the Workflow dies at its step; else the step fails a few times. */
type Case = {
  person: Person
  step: string
  kills: boolean
  mark: string
  receiptId: string
  traces: string[]
  instances: string[]
}

export const proof: Proof = {
  id: 31,
  name: 'erasure',
  fast: false,
  sabotages: {
    'the files are skipped': [SKIPPED('files')],
    'the Steward is skipped': [SKIPPED('steward')],
    // Cron sweeps what is nobody's, too.
    'the vectors are skipped': [SKIPPED('vectors'), { file: 'workers/cron.ts', find: '\n  sweepErased,', replace: '' }],
    'the runs are skipped': [
      {
        file: 'src/workflows/forget.ts',
        find: 'const { errors } = await env.TASA_RUN.deleteBatch(',
        replace: 'const { errors } = nobody(',
      },
      {
        file: 'src/workflows/forget.ts',
        find: 'const RUNS_AT_ONCE',
        replace: 'const nobody = (_: string[]): { errors: Error[] } => ({ errors: [] })\nconst RUNS_AT_ONCE',
      },
    ],
    'a table is forgotten': [
      {
        file: 'src/account/claims.ts',
        find: "  idempotency_keys: { owner: 'principal', loose: true },\n",
        replace: '',
      },
    ],
    'who is named among others is forgotten': [
      {
        file: 'src/account/claims.ts',
        find: "  feature_flags: { owner: 'people', among: true, loose: true },\n",
        replace: '',
      },
    ],
    'what came before the person is forgotten': [
      {
        file: 'src/account/claims.ts',
        find: 'if (claim.address === undefined) return',
        replace: "if (claim.address !== 'nowhere') return",
      },
    ],
    'what was lost is not begun again': [
      {
        file: 'src/account/erase.ts',
        find: 'lte(erasures.leaseUntil, sql`now()`)',
        replace: 'eq(erasures.attempts, 0)',
      },
    ],
    'an export leaves out a column': [
      {
        file: 'src/account/claims.ts',
        find: "shown: { file: 'tasks', omit: ['tainted'] }",
        replace: "shown: { file: 'tasks', omit: ['labels'] }",
      },
    ],
    'an import forgets who belongs to whom': [
      {
        file: 'src/account/import.ts',
        find: "{ column: 'parent_id', table: 'tasks',",
        replace: "{ column: 'id', table: 'tasks',",
      },
    ],
    'an import switches on what was on': [
      {
        file: 'src/account/import-rooms.ts',
        find: "status: 'disabled', pausedReason: null",
        replace: "status: 'enabled', pausedReason: null",
      },
    ],
  },
  async run(given, { seed, share }) {
    const violations: string[] = []
    const report: Report = (violation) => void violations.push(violation)
    const chance = createChance(seed)
    const world = await given.sabotaged(FAULTS)
    try {
      await installFaults(world)
      const auditor = await createAuditor(world)
      const [stranger] = await livePeople(world, 1, 'theirs')
      if (!stranger) throw new Error('no person')
      const [before, seenBefore] = [await settled(world, auditor, stranger), await viewOf(stranger)]
      const kinds = ERASURE_STEPS.flatMap((step) => [false, true].map((kills) => ({ step, kills })))
      // One of each way at least: what fails, and what is killed.
      const chosen = chance.shuffle(kinds).slice(0, scaled(kinds.length, share))
      for (const kills of [false, true])
        if (!chosen.some((one) => one.kills === kills)) chosen.push({ step: chance.pick(ERASURE_STEPS), kills })
      const cases = await eachOf(chosen, 2, async (one) => await prepare(world, one, report))
      const imported = await tryImport(world, cases, report)
      await erase(world, cases, report)
      for (const one of cases) await auditErased(world, one, report)
      const after = await settled(world, auditor, stranger)
      for (const table of differences(before, after)) report(`somebody else's ${table} changed`)
      const seenAfter = await viewOf(stranger)
      if (JSON.stringify(seenBefore) !== JSON.stringify(seenAfter)) report('somebody else is shown something else')
      const files = await keysWith(world, stranger.userId)
      if (files.length !== 1) report(`somebody else has ${files.length} files`)
      const looks = cases.reduce((sum, { traces }) => sum + traces.length, 0)
      const notes = [
        `${cases.length} people erased, of whom ${cases.filter(({ kills }) => kills).length} with the Workflow killed at a step;`,
        `${looks} traces of them looked for in every column of every table, in R2, in their objects;`,
        `${imported} things exported, imported and shown as before`,
      ]
      return { cases: looks + imported, violations, notes }
    } finally {
      await world.query('drop schema if exists proof_31 cascade')
      await world.stop()
    }
  },
}

/** People with something in every place that keeps anything. */
async function livePeople(world: World, count: number, mark: string): Promise<Person[]> {
  return await eachOf(Array.from({ length: count }), 1, async () => {
    const person = await world.person()
    await fillPlaces(world, person, mark)
    return person
  })
}

async function settled(world: World, auditor: Awaited<ReturnType<typeof createAuditor>>, person: Person) {
  await handled(world, person)
  const holdings: Holdings = await auditor.holdings(person.userId)
  return holdings
}

async function handled(world: World, { userId }: Person): Promise<void> {
  const ids = (await toldOf(world, userId)).map(({ id }) => id)
  const left = await unhandled(world, ids, HANDLED_WITHIN_MS)
  if (left > 0) throw new Error(`${left} events of ${userId} are not handled in time`)
}

type Kind = Pick<Case, 'step' | 'kills'>

async function prepare(world: World, kind: Kind, report: Report): Promise<Case> {
  const mark = `mark-${makeId('x')}`
  const [person] = await livePeople(world, 1, mark)
  if (!person) throw new Error('no person')
  await handled(world, person)
  const outbox = await world.query('select id from outbox where user_id = $1 limit 3', [person.userId])
  const traces = [
    person.userId,
    person.email,
    person.email.toUpperCase(),
    mark,
    person.sessionId,
    ...outbox.map(({ id }) => String(id)),
  ]
  const begun = await world.query(
    'select instance_id as id from workflow_runs where user_id = $1 and instance_id is not null',
    [person.userId],
  )
  const instances = begun.map(({ id }) => String(id))
  const kept = await rememberedOf(world, instances)
  if (instances.length === 0 || kept.length < instances.length) report('no run of theirs is remembered: begin one')
  const found = await tablesWith(world, person.userId)
  const expected = await world.query(
    `select distinct table_name as name from information_schema.columns
      where table_schema = 'public' and column_name in ('user_id', 'principal') and table_name <> 'erasures'`,
  )
  for (const { name } of expected)
    if (!found.includes(String(name))) report(`nothing of theirs is in ${name}: put it there`)
  return { ...kind, person, mark, traces, instances, receiptId: '' }
}

/** What the API shows of one who was exported is what it shows of one who imported it. */
async function tryImport(world: World, [first]: Case[], report: Report): Promise<number> {
  if (!first) throw new Error('nobody to export')
  const heir = await world.person()
  const [archive, before] = [await exportAll(world, first.person), await viewOf(first.person)]
  const { imported, problems } = await importAll(heir, archive)
  for (const problem of problems) report(problem)
  const after = await viewOf(heir)
  for (const [name, said] of Object.entries(before))
    if (after[name] !== said) report(`${name} came back otherwise: ${firstDifference(said, after[name] ?? '')}`)
  for (const path of ['/v1/schedules?status=active', '/v1/workflows?status=enabled'])
    if ((await pages(heir, path)).length > 0) report(`what came to ${path} acts by itself`)
  const again = await importAll(heir, archive)
  if (again.imported > 0) report(`${again.imported} things were imported twice`)
  // What they hold is what is looked for.
  if (!(await erasePerson(world, heir))) report('who was given an archive was not erased')
  return imported
}

async function installFaults(world: World): Promise<void> {
  await world.query('create schema if not exists proof_31')
  await world.query('create table if not exists proof_31.faults (id text primary key, step text, most int, seq text)')
  // A sequence counts on though its transaction fails.
  await world.query(`create or replace function proof_31.fault(erasure text, at text) returns void language plpgsql as $$
    declare fault proof_31.faults;
    begin
      select * into fault from proof_31.faults f where f.id = erasure and f.step = at;
      if found and nextval(fault.seq::regclass) <= fault.most then raise exception 'made to fail'; end if;
    end $$`)
}

async function erase(world: World, cases: Case[], report: Report): Promise<void> {
  const sockets = await eachOf(cases, 4, ({ person }) =>
    openListener(door(world.url, person.accessToken), { topics: TOPICS }),
  )
  for (const one of cases) {
    one.receiptId = await askForErasure(world, one.person)
    const seq = `proof_31.${one.receiptId}`
    await world.query(`create sequence ${seq}`)
    const most = one.kills ? 1_000_000 : FAILS
    await world.query('insert into proof_31.faults values ($1, $2, $3, $4)', [one.receiptId, one.step, most, seq])
  }
  await world.scheduled()
  const failing = cases.filter(({ kills }) => !kills)
  for (const one of failing)
    if (!(await receiptOf(world, one.receiptId))) report(`an erasure that failed at ${one.step} did not end`)
  const killed = cases.filter(({ kills }) => kills)
  for (const one of killed) if (!(await reached(world, one))) report(`no erasure came to ${one.step}`)
  for (const [index, socket] of sockets.entries()) {
    const gone = await socket.until(() => socket.closes.length > 0)
    const { step, kills } = cases[index] ?? {}
    const isBefore = kills && ERASURE_STEPS.indexOf(step ?? '') < ERASURE_STEPS.indexOf('session')
    if (!gone && !isBefore) report('a socket of a person who was erased stays open')
    socket.stop()
  }
  await world.restart()
  for (const { receiptId } of killed) {
    await world.query('delete from proof_31.faults where id = $1', [receiptId])
    await world.query('update erasures set lease_until = now() where id = $1', [receiptId])
  }
  await world.scheduled()
  for (const one of killed)
    if (!(await receiptOf(world, one.receiptId))) report(`an erasure that was killed at ${one.step} did not end`)
}

async function reached(world: World, { receiptId }: Case): Promise<boolean> {
  for (const deadline = performance.now() + REACHED_WITHIN_MS; performance.now() < deadline; await wait(50)) {
    const [row] = await world.query(`select is_called from proof_31.${receiptId}`)
    if (row?.is_called === true) return true
  }
  return false
}
