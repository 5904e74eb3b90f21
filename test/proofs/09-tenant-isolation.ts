import { createAuditor, differences } from '../matrix-audit.ts'
import { kindByPrefix, kindOf, OBJECTS, type ObjectKind } from '../matrix-objects.ts'
import { type Ids, idSlots, type Request, requestFor } from '../matrix-requests.ts'
import { type Operation, pathParameters } from '../openapi-document.ts'
import { type Answer, makeId, type Person, type World } from '../world.ts'
import { type Chance, createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'
import { tryRooms } from './rooms.ts'
import { differ } from './significance.ts'

const ROUNDS = 12
// Of durations, in turn; the few of a small share are too few to tell anything.
const PAIRS = 60
const MARK = 'for-no-other-eyes'

type Case = {
  world: World
  victim: Person
  stranger: Person
  chance: Chance
  report(what: string): void
  count(): void
}

// What an owner is answered where a third party would have to be there: src/integrations/connect.test.ts has one.
const WITHOUT_OTHERS: Record<string, number> = { connectMcpServer: 409 }

export const proof: Proof = {
  id: 9,
  name: 'tenant isolation',
  fast: true,
  sabotages: {
    'rows are not asked whose they are': [
      { file: 'src/database/owner.ts', find: 'eq(column, actor.userId), ', replace: '' },
    ],
    'a foreign object takes three milliseconds more': [
      {
        file: 'src/assistant/conversations.ts',
        find: '    .where(mine(ctx, id))\n  if (!row) throw',
        replace: `    .where(mine(ctx, id))
  if (!row && (await ctx.db.select().from(conversations).where(eq(conversations.id, id))).length > 0)
    await ctx.db.execute(sql\`select pg_sleep(0.003)\`)
  if (!row) throw`,
      },
    ],
    'everyone shares one room': [
      { file: 'src/realtime/ticket.ts', find: 'getByName(userId)', replace: "getByName('all')" },
      {
        file: 'src/realtime/routes.ts',
        find: "getByName(ownerOf(ctx.config, c.req.valid('query').ticket))",
        replace: "getByName('all')",
      },
      { file: 'src/realtime/subscriber.ts', find: 'getByName(userId)', replace: "getByName('all')" },
    ],
  },
  async run(world, { seed, share }) {
    const violations = new Set<string>()
    let cases = 0
    const chance = createChance(seed)
    const bearing = world.operations.filter(({ auth, path }) => auth === 'person' && pathParameters(path).length > 0)
    const slots = world.operations
      .filter(({ auth }) => auth === 'person')
      .flatMap((operation) => idSlots(world.document, operation).map((slot) => ({ operation, slot })))
    const auditor = await createAuditor(world)
    // Where rows are nobody's, what a person of another proof demands of their keys is demanded of all.
    await world.query('update signing_keys set demanded = false')
    for (let round = 0; round < scaled(ROUNDS, share); round++) {
      const [victim, stranger] = await world.people(2)
      if (!victim || !stranger) throw new Error('no people')
      const report = (what: string) => void violations.add(what)
      const base = { world, victim, stranger, chance, report, count: () => void cases++ }
      const own = await ownObjects(base, stranger)
      const before = await auditor.holdings(victim.userId)
      for (const { operation, slot } of chance.shuffle(slots)) await trySlot(base, operation, slot, own)
      const touched = differences(before, await auditor.holdings(victim.userId))
      if (touched.length > 0) report(`naming another person's ids changed their ${touched.join(', ')}`)
      const pairs = round === 0 ? scaled(PAIRS, share) : 0
      for (const operation of chance.shuffle(bearing)) await tryOperation(base, operation, auditor, pairs)
      await tryLists(base)
    }
    const rooms = await tryRooms(world)
    for (const violation of rooms.violations) violations.add(violation)
    const notes = [
      `${bearing.length} operations bear an id in their path, ${slots.length} places in bodies and queries take one,`,
      `of ${world.operations.length} routes; ${rooms.notes}`,
    ]
    return { cases: cases + rooms.cases, violations: [...violations], notes }
  },
}

async function ownObjects({ world, victim }: Case, stranger: Person): Promise<{ mine: Ids; theirs: Ids }> {
  const [mine, theirs]: [Ids, Ids] = [{}, {}]
  for (const kind of Object.values(OBJECTS)) {
    mine[kind.prefix] = await kind.make(world, stranger, 'mine')
    theirs[kind.prefix] = await kind.make(world, victim, MARK)
  }
  return { mine, theirs }
}

// Two answers are the same if they differ in nothing but the request's own id and the id that was asked for.
function shape(answer: Answer, asked: string): string {
  const withoutInstance = answer.text.replace(/"instance":"[^"]*"/, '"instance":""')
  return `${answer.status} ${withoutInstance.replaceAll(asked, 'ASKED')}`
}

async function send(person: Person, request: Request): Promise<Answer> {
  return await person.api(request.method, request.path, request.options)
}

async function tryOperation(
  test: Case,
  operation: Operation,
  auditor: Awaited<ReturnType<typeof createAuditor>>,
  pairs: number,
): Promise<void> {
  const { world, victim, stranger, report, count } = test
  const kind = kindOf(operation.path)
  if (!kind) return report(`${operation.id}: no factory makes what its path names`)
  const prepare = async (owner: Person) => {
    const id = await kind.make(world, owner, owner === victim ? MARK : 'mine')
    await kind.before?.[operation.operationId]?.(world, owner, id)
    return id
  }
  const request = (id: string) => requestFor(world.document, operation, { [kind.prefix]: id })
  const [theirs, mine] = [await prepare(victim), await prepare(stranger)]
  const random = makeId(kind.prefix)
  const nothing = shape(await send(stranger, request(random)), random)
  count()
  if (!nothing.startsWith('404 ')) report(`${operation.id}: an id of nothing is answered ${nothing.slice(0, 80)}`)

  const before = await auditor.holdings(victim.userId)
  const tries: [string, Person, string][] = [
    ["another person's id", stranger, theirs],
    ["another person's token", victim, mine],
  ]
  if (kind.discard && !kind.forDeleted?.includes(operation.operationId)) {
    const deleted = await kind.make(world, stranger, 'mine')
    await kind.discard(world, stranger, deleted)
    tries.push(['a deleted id', stranger, deleted])
  }
  for (const [what, person, id] of tries) {
    const answer = await send(person, request(id))
    count()
    if (shape(answer, id) !== nothing) report(`${operation.id}: ${what} is answered ${shape(answer, id).slice(0, 160)}`)
  }
  const touched = differences(before, await auditor.holdings(victim.userId))
  if (touched.length > 0) report(`${operation.id}: a stranger changed ${touched.join(', ')}`)
  if (pairs > 0) await tryDuration(test, operation, kind, { theirs, request, pairs })

  const owner = await send(victim, request(theirs))
  count()
  if (owner.status >= 300 && owner.status !== WITHOUT_OTHERS[operation.operationId])
    report(`${operation.id}: its owner is answered ${owner.status} ${owner.text.slice(0, 160)}`)
}

type Timed = { theirs: string; request(id: string): Request; pairs: number }

async function tryDuration(
  { stranger, chance, report, count }: Case,
  { id }: Operation,
  kind: ObjectKind,
  timed: Timed,
) {
  const measured: [number, number][] = []
  for (let taken = 0; taken < timed.pairs; taken++) {
    const pair: [number, number] = [0, 0]
    for (const which of chance.shuffle([0, 1] as const)) {
      const answer = await send(stranger, timed.request(which === 0 ? timed.theirs : makeId(kind.prefix)))
      pair[which] = answer.ms
    }
    measured.push(pair)
  }
  count()
  if (differ(measured)) report(`${id}: a foreign id takes another time than one of nothing`)
}

type Slot = ReturnType<typeof idSlots>[number]

async function trySlot(
  { world, stranger, report, count }: Case,
  operation: Operation,
  slot: Slot,
  { mine, theirs }: { mine: Ids; theirs: Ids },
): Promise<void> {
  const [own, foreign] = [mine[slot.prefix], theirs[slot.prefix]]
  const where = `${operation.id} ${slot.at}`
  if (!kindByPrefix(slot.prefix) || own === undefined || foreign === undefined)
    return report(`${where}: no factory makes a ${slot.prefix}_…`)
  const random = makeId(slot.prefix)
  const nothing = await send(stranger, slot.request(random, mine))
  const answer = await send(stranger, slot.request(foreign, mine))
  const accepted = await send(stranger, slot.request(await fresh(world, stranger, slot.prefix), mine))
  for (let cases = 0; cases < 3; cases++) count()
  if (shape(answer, foreign) !== shape(nothing, random))
    report(
      `${where}: a foreign id is answered ${shape(answer, foreign).slice(0, 160)}, one of nothing ${nothing.status}`,
    )
  if (answer.text.includes(MARK)) report(`${where}: what another person wrote is shown`)
  if (accepted.status >= 300)
    report(`${where}: an own id is answered ${accepted.status} ${accepted.text.slice(0, 160)}`)
}

const fresh = async (world: World, person: Person, prefix: string) =>
  (await kindByPrefix(prefix)?.make(world, person, 'mine')) ?? ''

/** What is not asked for by id: lists, their cursors, and the answers kept under a key. */
async function tryLists({ world, victim, stranger, report, count }: Case): Promise<void> {
  const { operations, document } = world
  for (const operation of operations.filter(({ method, auth }) => method === 'GET' && auth === 'person')) {
    if (pathParameters(operation.path).length > 0) continue
    const list = await stranger.api('GET', operation.path)
    count()
    if (list.text.includes(MARK) || list.text.includes(victim.userId))
      report(`${operation.id}: shows what is another person's`)
    if (!operation.parameters.some(({ name }) => name === 'cursor')) continue
    const cursor = nextCursor(await victim.api('GET', `${operation.path}?limit=1`))
    if (cursor === undefined) continue
    const page = await stranger.api('GET', `${operation.path}?cursor=${cursor}`)
    count()
    if (page.text.includes(MARK)) report(`${operation.id}: another person's cursor shows what is theirs`)
  }
  for (const operation of operations.filter(({ takesKey, path }) => takesKey && pathParameters(path).length === 0)) {
    const request = requestFor(document, operation)
    const options = { ...request.options, headers: { 'idempotency-key': `shared-${victim.userId}` } }
    const first = await victim.api('POST', request.path, options)
    const second = await stranger.api('POST', request.path, options)
    count()
    if (first.status >= 300)
      report(`${operation.id}: its sample is answered ${first.status} ${first.text.slice(0, 160)}`)
    if (second.headers.get('idempotent-replayed') || (first.text === second.text && first.text.includes('"id"')))
      report(`${operation.id}: another person's key gives their answer`)
  }
}

function nextCursor(answer: Answer): string | undefined {
  const found = /"nextCursor":"([^"]+)"/.exec(answer.text)?.[1]
  return found === undefined ? undefined : encodeURIComponent(found)
}
