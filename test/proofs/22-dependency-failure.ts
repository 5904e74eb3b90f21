import type { Request } from '../matrix-requests.ts'
import { validRequest } from '../matrix-valid.ts'
import type { Operation } from '../openapi-document.ts'
import type { Answer, Person, Sabotage, World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { FAULTS, type Fault, type Faulty, handOn, modelVars, serveModels, startFaulty } from './lib-faulty.ts'
import { openVendors, tryVendors } from './lib-vendors.ts'
import { type Proof, scaled } from './proof.ts'
import { withSource } from './sabotage.ts'

const SHORT_MS = 700
const TRIP_MS = 2500
// Several trips one after the other, each with its deadline, and a machine that has other things to do.
const ANSWER_WITHIN_MS = 12_000
const AT_ONCE = 8
const TO_OPEN = 12
const OPEN_MS = 1500

/** The deadlines of what is asked of others, which are seconds and minutes: here they pass while a proof waits. */
const SHORT_TRIPS = {
  file: 'src/database/connect.ts',
  find: 'const TRIP_TIMEOUT_MS = 20_000',
  replace: `const TRIP_TIMEOUT_MS = ${TRIP_MS}`,
}
const SHORT: Sabotage[] = [
  ['src/ai/embeddings-http.ts', 'const TIMEOUT_MS = 10_000', `const TIMEOUT_MS = ${SHORT_MS}`],
  ['src/ai/transcriptions-http.ts', 'const TIMEOUT_MS = 120_000', `const TIMEOUT_MS = ${SHORT_MS}`],
  [
    'src/ai/attempt.ts',
    '{ connectMs: 120_000, firstMs: 60_000, idleMs: 60_000 }',
    `{ connectMs: ${SHORT_MS}, firstMs: ${SHORT_MS}, idleMs: ${SHORT_MS} }`,
  ],
  ['src/integrations/outside.ts', 'export const DEADLINE_MS = 10_000', `export const DEADLINE_MS = ${SHORT_MS}`],
  ['src/email/http.ts', 'const TIMEOUT_MS = 8000', `const TIMEOUT_MS = ${SHORT_MS}`],
  ['src/email/cloudflare.ts', 'const TIMEOUT_MS = 8000', `const TIMEOUT_MS = ${SHORT_MS}`],
  ['src/notifications/outcome.ts', 'export const TIMEOUT_MS = 8000', `export const TIMEOUT_MS = ${SHORT_MS}`],
  ['src/webhooks/send.ts', 'const TIMEOUT_MS = 10_000', `const TIMEOUT_MS = ${SHORT_MS}`],
  ['src/queue/consume.ts', 'export const DEADLINE_MS = 10_000', `export const DEADLINE_MS = ${SHORT_MS}`],
  ['src/queue/outbox.ts', 'const SEND_TIMEOUT_MS = 10_000', `const SEND_TIMEOUT_MS = ${SHORT_MS}`],
  ['src/auth/providers.ts', 'const TOKEN_MS = 8000', `const TOKEN_MS = ${SHORT_MS}`],
  ['src/ai/breaker.ts', 'const OPEN_MS = 15_000', `const OPEN_MS = ${OPEN_MS}`],
].map(([file = '', find = '', replace = '']) => ({ file, find, replace }))

export const proof: Proof = {
  id: 22,
  name: 'dependency failure',
  fast: false,
  sabotages: {
    'a trip to the database has no deadline': [
      {
        file: 'src/database/connect.ts',
        find: 'withTimeout(TRIP_TIMEOUT_MS, async (signal)',
        replace: 'withTimeout(10 ** 6, async (signal)',
      },
    ],
    'a session that cannot be asked for lives': [
      {
        file: 'src/database/connect.ts',
        find: "throw new AppError('unavailable', 'The database cannot be reached', { cause: answer, retryAfterS: 2 })",
        replace: `{
          const none = { fields: [], rows: [], rowAsArray: true, command: '', rowCount: 0 }
          const one = JSON.stringify('queries' in JSON.parse(String(init.body)) ? { results: [none, none, none, none] } : none)
          return { ok: true, status: 200, text: async () => one, json: async () => JSON.parse(one) }
        }`,
      },
    ],
    'whatever a mailer says, the mail is sent': [
      { file: 'src/email/sendgrid.ts', find: 'if (status === 202)', replace: 'if (status > 0)' },
    ],
    'a message in the queue may take for ever': [
      {
        file: 'src/queue/consume.ts',
        find: 'within(DEADLINE_MS, ',
        replace: 'within(10 ** 6, ',
      },
    ],
    'the breaker never opens': [
      { file: 'src/ai/breaker.ts', find: 'const FAILURES = 5', replace: 'const FAILURES = 1e9' },
      { file: 'src/ai/breaker.ts', find: "isBad || state === 'half-open' || leaveAloneMs > 0", replace: 'isBad' },
    ],
  },
  /** Each operation against a database that fails, and against each upstream it was seen to ask while all were well. */
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const gateway = await startFaulty('database', handOn(world.vars['DATABASE_FETCH_ENDPOINT'] ?? ''))
    const models = await startFaulty('models', serveModels)
    const upstreams = [gateway, models]
    const vars = { DATABASE_FETCH_ENDPOINT: gateway.url, AI_PLAN: 'max', ...modelVars(models.url) }
    const served = await world.sabotaged([SHORT_TRIPS, ...SHORT], vars)
    const scene: Scene = { world, served, upstreams, violations: [], table: new Map(), cases: 0 }
    try {
      const wanted = Math.max(6, scaled(served.operations.length, share))
      const operations = chance.shuffle(served.operations).slice(0, wanted)
      await tryDatabase(scene, gateway, operations)
      await tryModels(scene, models, share)
      await tryJobs(scene)
      scene.violations.push(...served.contract.drift)
      return { cases: scene.cases, violations: scene.violations, notes: tableOf(scene) }
    } finally {
      await served.stop()
      await Promise.all(upstreams.map((one) => one.stop()))
    }
  },
}

type Scene = {
  world: World
  served: World
  upstreams: Faulty[]
  violations: string[]
  /** By upstream and fault, how often each status was given. */
  table: Map<string, Map<string, number>>
  cases: number
}

const HUNG = 'hung'
async function ask({ served }: Scene, { method, path, options }: Request, token: string | undefined) {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
    return await served.call(method, path, { ...options, whole: true, signal, ...(token && { token }) })
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return HUNG
    throw error
  }
}

function note({ table }: Scene, upstream: string, fault: string, answer: Answer | number | typeof HUNG): void {
  const row = table.get(`${upstream}, ${fault}`) ?? new Map<string, number>()
  table.set(`${upstream}, ${fault}`, row)
  const status = typeof answer === 'object' ? String(answer.status) : String(answer || HUNG)
  row.set(status, (row.get(status) ?? 0) + 1)
}

const tableOf = ({ table }: Scene) =>
  [...table].map(([cell, counts]) => {
    const said = [...counts].sort().map(([status, n]) => `${status} \u00d7 ${n}`)
    return `${cell.padEnd(20)} ${said.join(', ')}`
  })

/** What is done behind the queue and timers, in this process. */
async function tryJobs(scene: Scene): Promise<void> {
  const { world, violations } = scene
  const [person] = await world.people(1)
  if (!person) throw new Error('no people')
  await withSource([...world.changes, ...SHORT], async (dir) => {
    const vendors = await openVendors(world, dir, person)
    try {
      for (const { name, fault, said, problem } of await tryVendors(vendors)) {
        const row = scene.table.get(name) ?? new Map<string, number>()
        scene.table.set(name, row.set(`${fault}: ${said}`, 1))
        scene.cases++
        if (problem) violations.push(`${name} ${fault}: ${problem}`)
      }
    } finally {
      await Promise.all(vendors.map((vendor) => vendor.stop()))
    }
  })
}

type Prepared = { operation: Operation; request: Request; owner: Person }

/** A valid request of each operation, made while all is well. */
async function prepare({ served }: Scene, operations: Operation[]): Promise<Prepared[]> {
  const owners = await served.people(operations.length)
  return await eachOf(operations, AT_ONCE, async (operation, n) => {
    const owner = owners[n]
    if (!owner) throw new Error('no people')
    return { operation, owner, request: await validRequest(served, operation, owner) }
  })
}

const tokenOf = (world: World, { operation, owner }: Prepared) =>
  operation.auth === 'person'
    ? owner.accessToken
    : operation.auth === 'operator'
      ? world.vars['OPERATOR_TOKEN']
      : undefined

async function tryDatabase(scene: Scene, gateway: Faulty, operations: Operation[]): Promise<void> {
  const { served, violations } = scene
  const prepared = await prepare(scene, operations)
  // The slow one last: it is asked for good.
  for (const fault of FAULTS) {
    await gateway.break(fault)
    await eachOf(prepared, AT_ONCE, async (one) => {
      const answer = await ask(scene, one.request, tokenOf(served, one))
      note(scene, gateway.name, fault, answer)
      scene.cases++
      const problem = problemOf(one.operation, fault, answer)
      if (problem) violations.push(`database ${fault}: ${one.operation.id} ${problem}`)
    })
    await gateway.mend()
  }
  const [owner] = await served.people(1)
  const after = await owner?.api('GET', '/v1/tasks')
  if (after?.status !== 200) violations.push(`once the database was mended a list answered ${after?.status}`)
}

function problemOf({ auth }: Operation, fault: Fault, answer: Answer | typeof HUNG): string | null {
  if (answer === HUNG) return `gave no answer in ${ANSWER_WITHIN_MS} ms`
  if (answer.status === 500) return `answered 500: ${answer.text.slice(0, 120)}`
  // Whoever cannot be looked up is not let in; the operator is known by a setting.
  if (fault !== 'slow' && auth === 'person' && answer.status < 300) return `answered ${answer.status}`
  return null
}

/** What is asked of a model server, by each way there is. */
async function tryModels(scene: Scene, models: Faulty, share: number): Promise<void> {
  const { served, violations } = scene
  const dependents = await dependentsOf(scene, models, share)
  if (dependents.length === 0) violations.push('nobody asks the models')
  for (const fault of FAULTS) {
    await models.break(fault)
    for (const operation of dependents) {
      const [one] = await prepare(scene, [operation])
      if (!one) continue
      const answer = await ask(scene, one.request, tokenOf(served, one))
      note(scene, models.name, fault, answer)
      scene.cases++
      if (answer === HUNG) violations.push(`models ${fault}: ${operation.id} gave no answer`)
      else if (answer.status === 500) violations.push(`models ${fault}: ${operation.id} answered 500`)
    }
    await tryBreaker(scene, models, fault)
  }
}

/** Those that were seen to ask the upstream while it was well. */
async function dependentsOf(scene: Scene, upstream: Faulty, share: number): Promise<Operation[]> {
  const { served } = scene
  const found: Operation[] = []
  for (const operation of served.operations) {
    if (share < 1 && !/messages|completions|embeddings|transcriptions|simulate/.test(operation.path)) continue
    const [one] = await prepare(scene, [operation])
    if (!one) continue
    const before = upstream.asked()
    await ask(scene, one.request, tokenOf(served, one))
    if (upstream.asked() > before) found.push(operation)
  }
  return found
}

const SAID = { model: 'embedder', input: 'what is this like' }
const EMBEDDINGS = '/compat/openai/v1/embeddings'
const MESSAGES = [{ role: 'user', content: 'Hello' }]
/** They speak protocols of others, and are not in our document. */
const COMPATIBLE: [string, object][] = [
  ['/compat/openai/v1/chat/completions', { model: 'proof', messages: MESSAGES }],
  ['/compat/anthropic/v1/messages', { model: 'proof', max_tokens: 50, messages: MESSAGES }],
  [EMBEDDINGS, SAID],
]

/** The status; 0: none in time. */
async function askCompatible(served: World, { accessToken }: Person, path: string, body: object): Promise<number> {
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
  try {
    const answer = await fetch(served.url + path, { method: 'POST', headers, body: JSON.stringify(body), signal })
    await answer.text()
    return answer.status
  } catch {
    return 0
  }
}

/** After some failures nobody asks it any more for a while; mended, it is asked again. */
async function tryBreaker(scene: Scene, models: Faulty, fault: Fault): Promise<void> {
  const { served, violations } = scene
  const [owner] = await served.people(1)
  if (!owner) throw new Error('no people')
  for (const [path, body] of COMPATIBLE) {
    const status = await askCompatible(served, owner, path, body)
    note(scene, models.name, fault, status)
    scene.cases++
    const isRight = fault === 'slow' ? status === 200 : status > 300 && status !== 500
    if (!isRight) violations.push(`models ${fault}: ${path} answered ${status || HUNG}`)
  }
  if (fault === 'slow') return await models.mend()
  const embed = async (n: number) =>
    await askCompatible(served, owner, EMBEDDINGS, { ...SAID, input: `${SAID.input} ${fault} ${n}` })
  let spared = false
  for (let n = 0; n < TO_OPEN && !spared; n++) {
    const before = models.asked()
    const status = await embed(n)
    if (status < 400) violations.push(`models ${fault}: embeddings answered ${status}`)
    // Nobody hears who knocks at what is down: there the answer says it.
    spared = fault === 'down' ? status === 503 : models.asked() === before
  }
  if (!spared) violations.push(`models ${fault}: they are asked on and on`)
  await models.mend()
  const deadline = Date.now() + ANSWER_WITHIN_MS
  let status = 0
  for (let n = TO_OPEN; status !== 200 && Date.now() < deadline; n++) {
    await new Promise((resolve) => setTimeout(resolve, OPEN_MS / 3))
    status = await embed(n)
  }
  if (status !== 200) violations.push(`models ${fault}: mended, they are not asked again (${status})`)
  scene.cases += 2
}
