import type { Operation } from '../openapi-document.ts'
import type { Answer, Sabotage } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import {
  ANSWER_WITHIN_MS,
  AT_ONCE,
  ask,
  HUNG,
  note,
  onePerson,
  prepare,
  type Scene,
  tableOf,
  tokenOf,
} from './lib-faults.ts'
import { tryAuthorizationServers, tryServers } from './lib-faults-mcp.ts'
import { OPEN_MS, tryModels } from './lib-faults-models.ts'
import { startProviders, trySignIn } from './lib-faults-sign-in.ts'
import { FAULTS, type Fault, type Faulty, handOn, modelVars, serveModels, startFaulty } from './lib-faulty.ts'
import { openGround, tryVendors } from './lib-vendors.ts'
import { openBindings, openVectorize } from './lib-vendors-bindings.ts'
import { openServers } from './lib-vendors-servers.ts'
import { type Proof, scaled } from './proof.ts'
import { withSource } from './sabotage.ts'

const SHORT_MS = 700
const TRIP_MS = 2500

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
  ['src/queue/jobs.ts', 'const SEND_MS = 10_000', `const SEND_MS = ${SHORT_MS}`],
  ['src/workflows/instances.ts', 'const PATIENCE_MS = 4000', `const PATIENCE_MS = ${SHORT_MS}`],
  ['src/account/files.ts', 'const OPEN_MS = 8000', `const OPEN_MS = ${SHORT_MS}`],
  ['src/search/vectorize.ts', 'const TIMEOUT_MS = 8000', `const TIMEOUT_MS = ${SHORT_MS}`],
  ['src/oauth/known.ts', 'const DEADLINE_MS = 5_000', `const DEADLINE_MS = ${SHORT_MS}`],
  ['src/auth/providers.ts', 'const TOKEN_MS = 8000', `const TOKEN_MS = ${SHORT_MS}`],
  // Keys are kept for ten minutes: here they are asked for each time.
  ['src/auth/id-token.ts', '{ timeoutDuration: KEYS_MS }', `{ timeoutDuration: ${SHORT_MS}, cacheMaxAge: 0 }`],
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
        find: 'inTime(DEADLINE_MS, ()',
        replace: 'inTime(10 ** 6, ()',
      },
    ],
    "another's server may keep a turn waiting": [
      {
        file: 'src/integrations/remote.ts',
        find: 'withTimeout(DEADLINE_MS, async (signal)',
        replace: 'withTimeout(10 ** 6, async (signal)',
      },
    ],
    "another's server that fails ends the turn": [
      {
        file: 'src/assistant/steps.ts',
        find: "if (known?.code === 'session_ended') throw known",
        replace: "if (known?.code === 'session_ended' || isForeign(call.name)) throw error",
      },
    ],
    'a token endpoint that says anything has signed somebody in': [
      {
        file: 'src/auth/federation.ts',
        find: 'if (!token.ok) return token',
        replace:
          "if (!token.ok) return { ok: true, value: { issuer: 'x', subject: 'x', email: null, isVouched: false, name: null } }",
      },
    ],
    'a token is believed while its keys cannot be had': [
      {
        file: 'src/auth/id-token.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a source
        find: ': failed(`its keys: ${String(error)}`)',
        replace: ": judge(idp, JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))), nonce)",
      },
    ],
    'an index of vectors may keep an answer waiting': [
      { file: 'src/ai/cache.ts', find: 'inTime(PATIENCE_MS, ()', replace: 'inTime(10 ** 6, ()' },
      { file: 'src/search/vectorize.ts', find: 'inTime(TIMEOUT_MS, work)', replace: 'work()' },
    ],
    'the breaker never opens': [
      { file: 'src/ai/breaker.ts', find: 'const FAILURES = 5', replace: 'const FAILURES = 1e9' },
      { file: 'src/ai/breaker.ts', find: "isBad || state === 'half-open' || leaveAloneMs > 0", replace: 'isBad' },
    ],
  },
  /** Each operation against a database that fails, and against each upstream it was seen to ask while all were well. */
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const gateway = await startFaulty(
      'database',
      handOn(() => world.vars['DATABASE_FETCH_ENDPOINT'] ?? ''),
    )
    const models = await startFaulty('models', serveModels)
    const providers = await startProviders()
    const upstreams = [gateway, models, providers]
    const vars = { DATABASE_FETCH_ENDPOINT: gateway.url, AI_PLAN: 'max', ...modelVars(models.url), ...providers.vars }
    const served = await world.sabotaged([SHORT_TRIPS, ...SHORT], vars)
    const scene: Scene = { world, served, violations: [], table: new Map(), cases: 0 }
    try {
      const wanted = Math.max(6, scaled(served.operations.length, share))
      const operations = chance.shuffle(served.operations).slice(0, wanted)
      await tryDatabase(scene, gateway, operations)
      await tryModels(scene, models, share)
      await tryServers(scene)
      await tryAuthorizationServers(scene)
      await trySignIn(scene, providers)
      await tryJobs(scene)
      scene.violations.push(...served.contract.drift)
      return { cases: scene.cases, violations: scene.violations, notes: tableOf(scene) }
    } finally {
      await served.stop()
      await Promise.all(upstreams.map((one) => one.stop()))
    }
  },
}

async function tryDatabase(scene: Scene, gateway: Faulty, operations: Operation[]): Promise<void> {
  const { served, violations } = scene
  const prepared = await prepare(scene, operations)
  // The slow one last: it is asked for good.
  for (const fault of FAULTS) {
    await gateway.break(fault)
    await eachOf(prepared, AT_ONCE, async (one) => {
      const answer = await ask(scene, one.request, tokenOf(served, one))
      note(scene, `${gateway.name}, ${fault}`, answer)
      scene.cases++
      const problem = problemOf(one.operation, fault, answer)
      if (problem) violations.push(`database ${fault}: ${one.operation.id} ${problem}`)
    })
    await gateway.mend()
  }
  const owner = await onePerson(served)
  const after = await owner.api('GET', '/v1/tasks')
  if (after.status !== 200) violations.push(`once the database was mended a list answered ${after.status}`)
}

function problemOf({ auth }: Operation, fault: Fault, answer: Answer | typeof HUNG): string | null {
  if (answer === HUNG) return `gave no answer in ${ANSWER_WITHIN_MS} ms`
  if (answer.status === 500) return `answered 500: ${answer.text.slice(0, 120)}`
  // Whoever cannot be looked up is not let in; the operator is known by a setting.
  if (fault !== 'slow' && auth === 'person' && answer.status < 300) return `answered ${answer.status}`
  return null
}

/** What is done behind the queue and timers, in this process. */
async function tryJobs(scene: Scene): Promise<void> {
  const { world, violations } = scene
  const person = await onePerson(world)
  await withSource([...world.changes, ...SHORT], async (dir) => {
    const ground = await openGround(world, dir, person)
    const opened = [openServers(ground), openBindings(ground), openVectorize(ground)]
    const vendors = (await Promise.all(opened)).flat()
    try {
      for (const { name, fault, said, problem } of await tryVendors(vendors)) {
        note(scene, name, `${fault}: ${said}`)
        scene.cases++
        if (problem) violations.push(`${name} ${fault}: ${problem}`)
      }
    } finally {
      await Promise.all(vendors.map((vendor) => vendor.stop()))
    }
  })
}
