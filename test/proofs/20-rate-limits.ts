import { parseList } from 'structured-headers'
import { LIMITS } from '#security'
import type { Operation } from '../openapi-document.ts'
import { makeId, type Person, type World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'

const ROUNDS = 6
const ISOLATES = 3
const AT_ONCE = 12
const BEYOND = 3
const KEY_RATE = 20
const EDGE_QUOTA = 3000
const EDGE_MORE = 400
// What the edge may let in beyond its limit, and isolates together of what they spend in shares.
const MORE = 1.1

type Name = keyof typeof LIMITS
type Asked = { status: number; headers: Headers; retryAfter: number | null; left: number; resetS: number }
type Caller = { token?: string | undefined; address: string }
type Case = { urls: string[]; world: World; chance: Chance; report(what: string): void; ask: Ask }
type Ask = (url: string, operation: Pick<Operation, 'method' | 'path'>, caller: Caller) => Promise<Asked>

export const proof: Proof = {
  id: 20,
  name: 'rate limits',
  fast: true,
  sabotages: {
    'calls are granted and not counted': [
      { file: 'src/security/windows.ts', find: 'used + granted]', replace: 'used]' },
    ],
    'an isolate counts for itself': [
      {
        file: 'src/security/shares.ts',
        find: 'isExact ? 0 : Math.floor(quota / AHEAD)',
        replace: 'isExact ? quota : quota',
      },
    ],
    'one window for everybody': [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a source
      { file: 'src/security/shares.ts', find: 'const key = `${name}:${userId}`', replace: 'const key = name' },
    ],
    'the headers promise one call more': [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a source
      { file: 'workers/guard.ts', find: ';r=${left};', replace: ';r=${left + 1};' },
    ],
    'whoever is refused is told to come back too soon': [
      { file: 'src/core/errors.ts', find: 'options.limit?.resetS', replace: '(options.limit && 1)' },
    ],
  },
  async run(world, { seed, share }) {
    const limited = await world.sabotaged([], { RATE_LIMIT_FACTOR: '1' }, ISOLATES)
    try {
      return await prove(limited, seed, share)
    } finally {
      await limited.stop()
    }
  },
}

async function prove(world: World, seed: number, share: number) {
  const violations: string[] = []
  const notes: string[] = []
  const count = { cases: 0 }
  const report = (what: string) => void violations.push(what)
  const ask: Ask = async (url, operation, caller) => {
    count.cases++
    return await call(url, operation, caller, report)
  }
  const given: Case = { world, urls: world.worker.urls, chance: createChance(seed), report, ask }
  const names = Object.keys(LIMITS).filter((name): name is Name => name in LIMITS)
  for (let round = scaled(ROUNDS, share); round > 0; round--) {
    for (const name of names) {
      const operations = operationsOf(world, name)
      if (operations.length === 0) continue
      const operation = given.chance.pick(operations)
      await tryAlone(given, name, operation)
      if (operation.auth === 'person') notes.push(await tryCrowd(given, name, operation))
    }
    await tryKey(given)
  }
  const unused = names.filter((name) => operationsOf(world, name).length === 0)
  if (share >= 1) notes.push(await tryEdge(given))
  return { cases: count.cases, violations, notes: [...notes, `no route of class ${unused.join(', ')}`] }
}

/** Operations of a class that do nothing when what they name is not there, or their body is not valid. */
function operationsOf({ operations }: World, name: Name): Operation[] {
  return operations.filter(
    ({ limit, auth, path, body }) =>
      limit === name && (auth === 'person' ? path.includes('{id}') : auth === 'none' && body !== undefined),
  )
}

let callers = 0
// Each of a network of its own: the edge counts them too.
function nextAddress(): string {
  callers++
  return `198.18.${Math.floor(callers / 250) % 256}.${(callers % 250) + 1}`
}
const callerOf = (person: Person): Caller => ({ token: person.accessToken, address: nextAddress() })

async function call(
  url: string,
  { method, path }: Pick<Operation, 'method' | 'path'>,
  { token, address }: Caller,
  report: (what: string) => void,
): Promise<Asked> {
  const response = await send(url, method, path, { token, address })
  const { status, headers } = response
  const asked = { status, headers, retryAfter: numberIn(headers, 'retry-after'), ...read(headers, report) }
  agree(asked, `${method} ${path}`, report)
  return asked
}

async function send(url: string, method: string, path: string, { token, address }: Caller): Promise<Response> {
  const filled = path.replaceAll(/\{\w+\}/g, () => makeId('tsk'))
  const hasBody = method !== 'GET' && method !== 'DELETE'
  const response = await fetch(url + filled, {
    method,
    headers: {
      'cf-connecting-ip': address,
      ...(token && { authorization: `Bearer ${token}` }),
      ...(hasBody && { 'content-type': 'application/json' }),
    },
    ...(hasBody && { body: '[]' }),
  })
  await response.text()
  return response
}

const numberIn = (headers: Headers, name: string) => (headers.has(name) ? Number(headers.get(name)) : null)

/** As somebody reads them who knows only the draft. */
function read(headers: Headers, report: (what: string) => void) {
  const [[name, rates], [policy, terms]] = [item(headers, 'ratelimit'), item(headers, 'ratelimit-policy')]
  const [left, resetS, quota, windowS] = [rates.get('r'), rates.get('t'), terms.get('q'), terms.get('w')].map(Number)
  if (name !== policy) report(`RateLimit tells of ${name}, RateLimit-Policy of ${policy}`)
  return { name, left: left ?? Number.NaN, resetS: resetS ?? Number.NaN, quota, windowS }
}

function item(headers: Headers, name: string): [string, Map<string, unknown>] {
  const [first, ...more] = parseList(headers.get(name) ?? '')
  if (!first || more.length > 0) throw new Error(`${name}: ${headers.get(name)} is not one policy`)
  return [String(first[0]), first[1]]
}

/** Whether the headers of an answer agree with each other and with whether it was refused. */
function agree(
  asked: Asked & { name: string; quota?: number; windowS?: number },
  what: string,
  report: Case['report'],
) {
  const { headers, left, resetS, quota = 0, windowS = 0, status, retryAfter } = asked
  const olds = ['limit', 'remaining', 'reset'].map((name) => numberIn(headers, `x-ratelimit-${name}`))
  if (String(olds) !== String([quota, left, resetS]))
    report(`${what}: X-RateLimit-* say ${olds}, the others ${[quota, left, resetS]}`)
  if (!(left >= 0 && left <= quota && resetS >= 1 && resetS <= windowS))
    report(`${what}: r=${left} t=${resetS} of q=${quota} w=${windowS}`)
  if (status !== 429) return
  if (left !== 0) report(`${what}: refused with r=${left}`)
  if (retryAfter === null || retryAfter < resetS)
    report(`${what}: Retry-After ${retryAfter} before the window ends, in ${resetS} s`)
}

const isLet = ({ status }: Asked) => status !== 429

/** One after the other through one isolate: as many as the table says, and each header foretells the next answer. */
async function tryAlone({ world, urls, chance, report, ask }: Case, name: Name, operation: Operation): Promise<void> {
  const { quota, windowS } = LIMITS[name]
  const [person, other] = await world.people(2)
  const isPerson = operation.auth === 'person'
  if (!person || !other) throw new Error('no people')
  const caller = isPerson ? callerOf(person) : { address: nextAddress() }
  const url = chance.pick(urls)
  const started = performance.now()
  const answers: Asked[] = []
  for (let n = 0; n < quota + BEYOND; n++) answers.push(await ask(url, operation, caller))
  const passed = answers.filter(isLet).length
  if (performance.now() - started > windowS * 1000) throw new Error(`${operation.id}: a window passed meanwhile`)
  if (passed !== quota) report(`${name}: ${passed} of ${quota} were let in through one isolate`)
  for (const [at, { left, status }] of answers.entries()) {
    const expected = Math.max(0, quota - at - 1)
    if (left !== expected) report(`${name}: answer ${at + 1} says ${left} are left, there are ${expected}`)
    const policy = new RegExp(`^"${name}";q=${quota};w=${windowS}$`)
    if (!policy.test(answers[at]?.headers.get('ratelimit-policy') ?? ''))
      report(`${name}: another policy is told, ${status}`)
  }
  const stranger = await ask(url, operation, isPerson ? callerOf(other) : { address: nextAddress() })
  if (!isLet(stranger) || stranger.left !== quota - 1) report(`${name}: another caller has ${stranger.left} left`)
}

/** Many at once through all isolates: what was let in, of twice as many as may. */
async function tryCrowd({ world, urls, chance, report, ask }: Case, name: Name, operation: Operation): Promise<string> {
  const { quota, counted } = LIMITS[name]
  const [person] = await world.people(1)
  if (!person) throw new Error('no people')
  const caller = callerOf(person)
  const places = Array.from({ length: quota * 2 }, () => chance.pick(urls))
  const answers = await eachOf(places, AT_ONCE, async (url) => await ask(url, operation, caller))
  const passed = answers.filter(isLet).length
  const most = counted === 'exact' ? quota : Math.floor(quota * MORE)
  if (passed < quota || passed > most) report(`${name}: ${passed} of ${quota} were let in through ${ISOLATES} isolates`)
  return `${name}: ${passed} of ${quota} through ${ISOLATES} isolates`
}

/** A key's own rate, over all isolates. */
async function tryKey({ world, urls, chance, report, ask }: Case): Promise<void> {
  const [person] = await world.people(1)
  const body = { name: 'x', scopes: ['tasks:read'], ratePerMinute: KEY_RATE }
  const made = await person?.api('POST', '/v1/api-keys', { body })
  const token: string = JSON.parse(made?.text ?? '{}').secret
  const places = Array.from({ length: KEY_RATE * 2 }, () => chance.pick(urls))
  const caller = { token, address: nextAddress() }
  const list = { method: 'GET', path: '/v1/tasks/{id}' }
  const answers = await eachOf(places, AT_ONCE, async (url) => await ask(url, list, caller))
  const passed = answers.filter(isLet).length
  if (passed !== KEY_RATE) report(`key: ${passed} of ${KEY_RATE} were let in through ${ISOLATES} isolates`)
}

/** One address beyond what the edge lets through, as the local runtime counts it. */
async function tryEdge({ urls, chance, report }: Case): Promise<string> {
  const caller = { address: nextAddress() }
  const places = Array.from({ length: EDGE_QUOTA + EDGE_MORE }, () => chance.pick(urls))
  const answers = await eachOf(places, AT_ONCE, async (url) => await send(url, 'DELETE', '/openapi.json', caller))
  const passed = answers.filter(({ status }) => status !== 429).length
  if (passed > EDGE_QUOTA * MORE) report(`edge: ${passed} of ${EDGE_QUOTA} were let in`)
  return `edge: ${passed} of ${EDGE_QUOTA}, as the local runtime counts`
}
