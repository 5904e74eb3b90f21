import { brokenAt, headOf, linesOf } from '../audit-chain.ts'
import { makeKey } from '../matrix-keys.ts'
import { kindOf } from '../matrix-objects.ts'
import type { Request } from '../matrix-requests.ts'
import { ownRequest, validRequest } from '../matrix-valid.ts'
import { fillPath, type Operation, pathParameters } from '../openapi-document.ts'
import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { idOf, type Scene, tryMailed, tryOauth, tryOtherActs } from './lib-acts.ts'
import { tamper } from './lib-tamper.ts'
import { type Proof, scaled } from './proof.ts'

const TAMPERINGS = 1000
const AT_ONCE = 4
const SETTLES_MS = 10_000

/** What changes nothing that is a person's, by why it is not told. */
const NOT_TOLD: Record<string, string> = {
  refresh: 'a session goes on; that it began and how it ended is told',
  validateWorkflow: 'nothing is kept',
  draftWorkflow: 'it is shown, and nothing is kept',
  createRealtimeTicket: 'a ticket lasts seconds and opens what the session may see anyway',
  checkMcpServer: 'what another server answered is noted, nothing of it is the person’s',
  connectMcpServer: 'the way there is begun; that it was gone is told when it comes back',
  simulateWorkflow: 'what would be done is shown, and nothing is',
  previewSchedule: 'what would be is told, and nothing is kept',
  runSchedule: 'that it ran is in its executions, and what it does is told of itself',
  readAllNotifications: 'there was none to mark',
  offerPasskeySignIn: 'what an authenticator is to sign, for nobody yet',
  offerPasskey: 'what an authenticator is to sign; that a passkey was added is told',
  startProviderSignIn: 'the way there is begun, by nobody yet; that somebody signed in is told',
  startIdentityLink: 'the way there is begun; that an account was linked is told',
  requestPasswordReset: 'whose address it is, is looked up later: told by who mails the link',
  setSignaturePolicy: 'nothing was demanded before, and nothing is after',
  previewEffect: 'nothing is done: what would be is shown',
  requestMagicLink: 'whose address it is, is looked up later: told by who mails the link',
}

/** What an operation does by a tool is told under that name too. */
const ALSO: Record<string, string> = { performEffect: 'create_task', undoSuggestion: 'delete_task' }

export const proof: Proof = {
  id: 25,
  name: 'audit completeness',
  fast: true,
  sabotages: {
    'a change does not say by whom': [
      {
        file: 'src/database/neon.ts',
        find: '? telling(statement, told(false)) : statement',
        replace: '? statement : statement',
      },
    ],
    'a transaction forgets what it noted': [
      {
        file: 'src/database/neon.ts',
        find: 'telling(found, told(true))), FLUSH]',
        replace: 'telling(found, told(true))), { ...FLUSH, query: "select 1" }]',
      },
    ],
    'a refusal is not told': [
      { file: 'src/audit/denials.ts', find: 'if (!DENIALS.has(error.code)', replace: 'if (DENIALS.has(error.code)' },
    ],
    'no line is hashed again': [
      { file: 'src/audit/audit.ts', find: 'seq <> place or hash <> made', replace: 'seq <> place' },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const scene: Scene = { world, expected: [], report: (what) => void violations.push(what) }
    await eachOf(world.operations, AT_ONCE, (operation) => tryOperation(scene, operation))
    await tryOtherActs(scene)
    await tryOauth(scene)
    await settle(scene)
    await tryMailed(scene)
    const chains = await tryChains(scene)
    const tampered = await tamper(world, createChance(seed), scaled(TAMPERINGS, share), scene.report)
    const notes = [
      `${scene.expected.length} changes, reads and refusals of ${world.operations.length} operations, each told as often as it must be;`,
      `${chains} chains hashed again outside of Postgres, ${tampered} tamperings`,
    ]
    return { cases: scene.expected.length + chains + tampered, violations, notes }
  },
}

const tokenOf = (world: World, { auth }: Operation, owner: Person) =>
  auth === 'operator' ? world.vars.OPERATOR_TOKEN : auth === 'person' ? owner.accessToken : undefined

async function one(world: World): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  return person
}

/** What it does is told once, what it refuses is told once, what it shows is not told; unless somebody looks on. */
async function tryOperation(scene: Scene, operation: Operation): Promise<void> {
  const { world, expected } = scene
  const { operationId: action, auth, method, path } = operation
  if (action === 'connectRealtime') return
  const owner = await one(world)
  const request = await validRequest(world, operation, owner)
  const send = (token: string | undefined, asked: Request = request) =>
    world.call(asked.method, asked.path, { ...(token !== undefined && { token }), ...asked.options })
  const answer = await send(tokenOf(world, operation, owner))
  const isLook = auth === 'operator' && path.startsWith('/v1/admin/people/{id}')
  // Who takes everything away is told.
  const isTaken = action === 'getExportArchive'
  const isTold = (method === 'GET' ? isLook || isTaken : true) && NOT_TOLD[action] === undefined && answer.status < 300
  const isOfMany = auth === 'operator' && method === 'GET' && !isLook
  const person = auth === 'person' || isLook ? { person: owner.userId } : {}
  const done = { action, outcome: 'done' as const, requestId: idOf(answer) }
  // Whoever is erased has no chain any more, and a list is a look at many.
  if (action !== 'deleteMe' && !isOfMany)
    expected.push({ what: `${operation.id} ${answer.status}`, ...done, count: isTold ? 1 : 0, ...(isTold && person) })
  const also = ALSO[action]
  if (also !== undefined) expected.push({ what: `${operation.id} by ${also}`, ...done, action: also, count: 1 })
  if (auth !== 'none') {
    const unknown = await send('of-nobody')
    expected.push({
      what: `${operation.id} by nobody known`,
      action,
      outcome: 'denied',
      requestId: idOf(unknown),
      count: 0,
    })
  }
  if (auth === 'operator') return await refused(scene, operation, 'without the role', await one(world), request)
  if (auth !== 'person') return
  const other = await one(world)
  const theirs = { ...other, accessToken: (await makeKey(other, { scopes: ['mcp'] })).secret }
  await refused(scene, operation, 'by a key that may not', theirs, request)
  const ended = await one(world)
  const own = await ownRequest(world, operation, ended)
  await ended.api('POST', '/v1/auth/logout')
  await refused(scene, operation, 'by a session that ended', ended, own)
  const kind = kindOf(path)
  const [name] = pathParameters(path)
  if (!kind || name === undefined) return
  const foreign = fillPath(path, { [name]: await kind.make(world, owner, 'theirs'), actionId: 'approve' })
  const asked = await ownRequest(world, operation, other)
  await refused(scene, operation, 'of what is another’s', other, { ...asked, path: foreign })
}

async function refused(scene: Scene, { id, operationId }: Operation, why: string, person: Person, request: Request) {
  const { world, expected, report } = scene
  const answer = await world.call(request.method, request.path, { token: person.accessToken, ...request.options })
  const what = `${id} ${why}`
  if (![401, 403, 404].includes(answer.status)) return report(`${what}: answered ${answer.status}`)
  const told = { requestId: idOf(answer), action: operationId, person: person.userId }
  expected.push({ what, ...told, outcome: 'denied', count: 1 })
  expected.push({ what: `${what} does nothing`, ...told, outcome: 'done', count: 0 })
}

type Told = { requestId: string; action: string; outcome: string; userId: string; isWhole: boolean }

/** Reads what was told until as much is there as must be, and holds each expectation against it. */
async function settle({ world, expected, report }: Scene): Promise<void> {
  const ids = JSON.stringify(expected.map(({ requestId }) => requestId))
  const read = async () =>
    (await world.query(
      `select request_id as "requestId", action, outcome, user_id as "userId",
        (actor_kind <> 'database' and (actor_id <> '' or actor_kind in ('anonymous', 'system')) and address <> '') as "isWhole",
        target from audit_log where request_id in (select jsonb_array_elements_text($1::jsonb))`,
      [ids],
    )) as unknown as Told[]
  const wanted = expected.reduce((sum, { count }) => sum + count, 0)
  const until = Date.now() + SETTLES_MS
  let rows = await read()
  while (rows.length < wanted && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    rows = await read()
  }
  const told = Map.groupBy(rows, ({ requestId, action, outcome }) => `${requestId} ${action} ${outcome}`)
  for (const { what, requestId, action, outcome, count, person } of expected) {
    const found = told.get(`${requestId} ${action} ${outcome}`) ?? []
    if (found.length !== count) report(`${what}: ${outcome} is told ${found.length} times, not ${count}`)
    else if (found.some(({ userId }) => person !== undefined && userId !== person))
      report(`${what}: is told of another`)
    else if (found.some(({ isWhole }) => !isWhole)) report(`${what}: does not tell by whom or from where`)
  }
  const known = new Set(expected.map(({ requestId, action }) => `${requestId} ${action}`))
  for (const { requestId, action } of rows)
    if (!known.has(`${requestId} ${action}`)) report(`${requestId}: also tells ${action}`)
}

/** Every chain there is, hashed again by other hands than Postgres's. */
async function tryChains({ world, report }: Scene): Promise<number> {
  const heads = await world.query('select user_id from audit_heads')
  await eachOf(heads, AT_ONCE, async ({ user_id: userId }) => {
    const broken = await brokenIn(world, String(userId))
    if (broken !== null) report(`the chain of ${userId} is broken at ${broken}`)
  })
  return heads.length
}

/** The lines and their head come by two statements: where the chain went on between them, they are read again. */
async function brokenIn(world: World, userId: string): Promise<number | null> {
  const before = await headOf(world, userId)
  const broken = brokenAt(await linesOf(world, userId), before)
  const isStill = (await headOf(world, userId))?.seq === before?.seq
  return isStill ? broken : await brokenIn(world, userId)
}
