import fc from 'fast-check'
import { makeKey } from '../matrix-keys.ts'
import { corpus, malformedBodies, malformedPaths, malformedQueries } from '../matrix-malformed.ts'
import { kindOf } from '../matrix-objects.ts'
import { validRequest } from '../matrix-valid.ts'
import { createContract } from '../openapi-contract.ts'
import { fillPath, type Operation, pathParameters } from '../openapi-document.ts'
import { sample } from '../openapi-sample.ts'
import { type Answer, makeId, type Person, type Sabotage, type World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { handshake } from './lib-handshake.ts'
import { OWN } from './lib-own.ts'
import { RACED } from './lib-own-webhooks.ts'
import { type Try, withBody, withHeaders, withPath, withRaw } from './lib-tries.ts'
import { type Proof, scaled } from './proof.ts'

const GENERATED = 6000
const FROM_CORPUS = 3000
const AT_ONCE = 4
const MOST_RACES = 20
const TOO_LARGE = 'x'.repeat(1_000_001)
const JSON_TYPE = { 'content-type': 'application/json' }

// A Worker that fails as it is told to, where every request comes by.
const FAILING: Sabotage[] = [
  {
    file: 'workers/guard.ts',
    find: "  if (actor.kind === 'person') await asPerson(",
    replace: `  const fails = c.req.header('x-fail')
  if (fails === 'bug') throw new Error('made to fail')
  if (fails && fails !== 'ready') throw new AppError(fails, 'made to fail', { retryAfterS: 1 })
  if (actor.kind === 'person') await asPerson(`,
  },
  {
    file: 'workers/system.ts',
    find: 'return isUp(dependencies)',
    replace: "return c.req.header('x-fail') !== 'ready' && isUp(dependencies)",
  },
]
const FAILURES: Record<string, string> = {
  429: 'rate_limited',
  500: 'bug',
  502: 'model_failed',
  503: 'unavailable',
  504: 'timeout',
}

// What only an authorization server that is there brings about: given in test/mcp-oauth.test.ts and connect.test.ts.
// Registering by mail is a setting: mailed-codes.test.ts.
const BY_OTHERS =
  /^(?:POST \/v1\/auth\/register 202|POST \/v1\/mcp\/servers\/\{id\}\/connect 200|GET \/v1\/mcp\/callback (?:200|401|403))$/

type Contract = ReturnType<typeof createContract>
type Scene = { world: World; contract: Contract; count: number }

export const proof: Proof = {
  id: 7,
  name: 'contract coverage',
  fast: true,
  sabotages: {
    'an answer tells a property more': [
      { file: 'src/users/me.ts', find: '    email: u.email,', replace: '    email: u.email, mail: u.email,' },
    ],
    'a status is not declared': [
      { file: 'src/core/http.ts', find: '[options.ifMatch, [412, 428]]', replace: '[options.ifMatch, [412]]' },
    ],
    'a status is declared that nobody is given': [
      { file: 'src/core/http.ts', find: '[true, [429, 500]]', replace: '[true, [410, 429, 500]]' },
    ],
    'JSON does not say its charset': [
      { file: 'workers/app.ts', find: "=== 'application/json')", replace: "=== 'application/none')" },
    ],
    'who is not known is not told what remains': [
      {
        file: 'workers/guard.ts',
        find: 'limitHeaders(c, limit)\n    if (take.ok)',
        replace: "if (name !== 'public') limitHeaders(c, limit)\n    if (take.ok)",
      },
    ],
  },
  async run(world, { seed, share }) {
    const scene: Scene = { world, contract: createContract(world.document, world.operations), count: 0 }
    await eachOf(world.operations, AT_ONCE, (operation) => tryEach(scene, operation))
    await trySockets(scene)
    await tryFailures(scene)
    const chosen = await tryMalformed(scene, seed, share)
    const { declared, exercised, unseen } = scene.contract.coverage()
    const notes = [
      `${exercised} of ${declared} declared answers of ${world.operations.length} operations were given, each as declared;`,
      `${chosen} of the requests were malformed by chance`,
    ]
    const violations = [
      ...scene.contract.drift,
      ...unseen.filter((name) => !BY_OTHERS.test(name)).map((name) => `${name}: is declared and was never given`),
    ]
    return { cases: scene.count, violations, notes }
  },
}

function tokenOf(world: World, { auth }: Operation, owner: Person): string | undefined {
  return auth === 'operator' ? world.vars.OPERATOR_TOKEN : auth === 'person' ? owner.accessToken : undefined
}

/** Sends it as whoever may, and holds the answer against the document. */
async function send(scene: Scene, operation: Operation, { owner, request }: Try, world = scene.world): Promise<Answer> {
  const { method, path, options } = request
  const answer = await world.call(method, path, { token: tokenOf(world, operation, owner), ...options })
  scene.contract.check(method, path, answer)
  scene.count++
  return answer
}

async function fresh(world: World, operation: Operation): Promise<Try> {
  const [owner] = await world.people(1)
  if (!owner) throw new Error('no person')
  return { owner, request: await validRequest(world, operation, owner) }
}

/** Everything an operation answers by the kind of route it is, and what its own verb adds. */
async function tryEach(scene: Scene, operation: Operation): Promise<void> {
  const { world } = scene
  const given = await fresh(world, operation)
  const ask = (asked: Try) => send(scene, operation, asked)
  await ask(given)
  const again = async () => await fresh(world, operation)
  const asked = await again()
  if (operation.auth !== 'none') await ask(withHeaders(asked, { authorization: 'Bearer of-nobody' }))
  if (operation.auth === 'person') {
    const { secret } = await makeKey(asked.owner, { scopes: ['mcp'] })
    await ask(withHeaders(asked, { authorization: `Bearer ${secret}` }))
  }
  // Who holds no role.
  if (operation.auth === 'operator')
    await ask(withHeaders(asked, { authorization: `Bearer ${asked.owner.accessToken}` }))
  const names = pathParameters(operation.path)
  if (names.length > 0) {
    const fill = (value: (name: string) => string) =>
      withPath(asked, fillPath(operation.path, Object.fromEntries(names.map((name) => [name, value(name)]))))
    const [, admin = ''] = /^\/v1\/admin\/(\w+)\//.exec(operation.path) ?? []
    const prefix = kindOf(operation.path)?.prefix ?? { people: 'usr', jobs: 'job' }[admin] ?? 'msg'
    await ask(fill((name) => makeId(name === 'sessionId' ? 'ses' : prefix)))
    await ask(fill(() => 'x'.repeat(200)))
  }
  await ask(withPath(asked, `${asked.request.path}${asked.request.path.includes('?') ? '&' : '?'}limit=0x10`))
  if (operation.body) {
    await ask(withBody(asked, { unknown: 1 }))
    await ask(withBody(await again(), sample(world.document, operation.body, { whole: true })))
    await ask(withRaw(asked, TOO_LARGE, JSON_TYPE))
    await ask(withRaw(asked, '{}', { 'content-type': 'application/json; charset=utf-16' }))
  }
  if (operation.takesKey) await tryKeys(scene, operation, await again())
  if (operation.takesIfMatch) {
    await ask(withHeaders(asked, { 'if-match': '"99999"' }))
    await ask({ ...asked, request: { ...asked.request, options: { body: asked.request.options.body } } })
  }
  for (const more of (await OWN[operation.operationId]?.(world, await again())) ?? []) await ask(more)
  const raced = RACED[operation.operationId]
  for (let times = 0; raced !== undefined && times < MOST_RACES; times++) {
    const answers = await Promise.all([ask(asked), ask(asked), ask(asked)])
    if (answers.some(({ status }) => status === raced)) break
  }
}

async function tryKeys(scene: Scene, operation: Operation, asked: Try): Promise<void> {
  const { world } = scene
  const key = `coverage-${asked.owner.userId}`
  const keyed = withHeaders(asked, { 'idempotency-key': key })
  await send(scene, operation, keyed)
  await send(scene, operation, keyed)
  await send(scene, operation, withRaw(keyed, '{"another":1}', JSON_TYPE))
  await send(scene, operation, withRaw(keyed, TOO_LARGE, JSON_TYPE))
  await send(scene, operation, withHeaders(asked, { 'idempotency-key': 'two words' }))
  // As if its first holder were still at work.
  await world.query(
    `update idempotency_keys set status = null, holder = 'another', locked_until = now() + interval '1 hour'
      where principal = $1 and key = $2`,
    [asked.owner.userId, key],
  )
  await send(scene, operation, keyed)
}

/** Sockets are opened without fetch, which does not upgrade. */
async function trySockets(scene: Scene): Promise<void> {
  const { world } = scene
  const operation = world.operations.find(({ operationId }) => operationId === 'connectRealtime')
  if (!operation) throw new Error('no socket is offered')
  const { request } = await fresh(world, operation)
  // The second time the ticket is used.
  for (let times = 0; times < 2; times++) {
    scene.contract.check('GET', request.path, await handshake(world.url + request.path))
    scene.count++
  }
}

/** What any operation answers when something breaks under it. */
async function tryFailures(scene: Scene): Promise<void> {
  const failing = await scene.world.sabotaged(FAILING)
  try {
    await eachOf(scene.world.operations, AT_ONCE, async (operation) => {
      const asked = await fresh(scene.world, operation)
      for (const [status, code] of Object.entries(FAILURES)) {
        if (!operation.responses[status]) continue
        const fails = operation.operationId === 'ready' && status === '503' ? 'ready' : code
        await send(scene, operation, withHeaders(asked, { 'x-fail': fails }), failing)
      }
    })
  } finally {
    await failing.stop()
  }
}

/** Requests that are wrong in some way, chosen by chance; what they are answered is declared too. */
async function tryMalformed(scene: Scene, seed: number, share: number): Promise<number> {
  const { world } = scene
  const { shuffle } = createChance(seed)
  const made = await eachOf(world.operations, AT_ONCE, async (operation) => {
    const { owner, request } = await fresh(world, operation)
    const fixed = corpus(world.document, operation, request)
    const arbitraries = [malformedBodies, malformedPaths, malformedQueries].flatMap(
      (make) => make(world.document, operation, request) ?? [],
    )
    return { operation, owner, fixed, arbitraries }
  })
  const fixed = shuffle(
    made.flatMap(({ operation, owner, fixed }) => fixed.map(({ request }) => ({ operation, owner, request }))),
  )
  const sources = made.reduce((sum, { arbitraries }) => sum + arbitraries.length, 0)
  const numRuns = scaled(GENERATED / sources, share)
  const generated = made.flatMap(({ operation, owner, arbitraries }) =>
    arbitraries.flatMap((any) =>
      fc.sample(any, { seed, numRuns }).map(({ request }) => ({ operation, owner, request })),
    ),
  )
  const chosen = [...fixed.slice(0, scaled(FROM_CORPUS, share)), ...generated]
  await eachOf(chosen, AT_ONCE, ({ operation, ...asked }) => send(scene, operation, asked))
  return chosen.length
}
