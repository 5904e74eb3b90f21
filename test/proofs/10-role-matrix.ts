import { POLICY, SCOPES, scopesAsked } from '#auth'
import { COMPAT_ROUTES } from '#compat/routes'
import { OAUTH_ROUTES } from '#oauth/routes'
import { makeKey } from '../matrix-keys.ts'
import type { Request } from '../matrix-requests.ts'
import { validRequest } from '../matrix-valid.ts'
import type { Answer, Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'

const AT_ONCE = 4
const ROLES = ['person', 'support', 'admin'] as const

type Rule = (typeof POLICY)[string] | undefined
type Verdict = 'in' | '401' | '403'
// The document describes ours; the others speak protocols of their own.
type Route = { id: string; isOurs: boolean; request(owner: Person): Promise<Request> }
type Caller = { name: string; token: string | undefined; person: Person; expected: Verdict }

// What is done by a kind of effect asks for the scope of that kind too: these samples make a task.
const OF_KIND: Record<string, readonly string[]> = {
  'POST /v1/effects': ['tasks:write'],
  'POST /v1/effects/preview': ['tasks:write'],
}

export const proof: Proof = {
  id: 10,
  name: 'role matrix',
  fast: true,
  sabotages: {
    'a key is not asked for its scopes': [
      { file: 'workers/guard.ts', find: 'if (lacking.length === 0)', replace: 'if (lacking.length < 99)' },
    ],
    'any role will do': [{ file: 'workers/guard.ts', find: '}, rule.roles) }', replace: "}, ['support', 'admin']) }" }],
    'rows of the policy are wider than was declared': [
      { file: 'src/auth/policy-product.ts', find: "write: ['tasks:write'] }", replace: "write: ['tasks:read'] }" },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    let cases = 0
    const routes = routesOf(world)
    const missing = Object.keys(POLICY).filter((id) => !routes.some((route) => route.id === id))
    violations.push(...missing.map((id) => `${id}: the policy has a row for what is no route`))
    const chosen = createChance(seed).shuffle(routes).slice(0, scaled(routes.length, share))
    await eachOf(chosen, AT_ONCE, async (route) => {
      const rule = POLICY[route.id]
      if (rule === undefined) return void violations.push(`${route.id}: the policy has no row`)
      for (const caller of await callersOf(world, rule, OF_KIND[route.id])) {
        cases++
        const verdict = await ask(world, route, rule, caller)
        if (verdict !== caller.expected)
          violations.push(`${route.id} by ${caller.name}: ${verdict}, not ${caller.expected}`)
      }
    })
    return { cases, violations, notes: [`${chosen.length} of ${routes.length} routes`] }
  },
}

function routesOf(world: World): Route[] {
  const ours = world.operations.map((operation): Route => {
    return { id: operation.id, isOurs: true, request: (owner) => validRequest(world, operation, owner) }
  })
  const others = [...COMPAT_ROUTES, ...OAUTH_ROUTES, { method: 'POST', path: '/mcp' }].map(
    ({ method, path }): Route => {
      const named = path.replace('{id}', 'offline-1')
      return {
        id: `${method} ${path}`,
        isOurs: false,
        request: async () => ({ method, path: named, options: method === 'POST' ? { body: {} } : {} }),
      }
    },
  )
  return [...ours, ...others]
}

async function one(world: World, role: (typeof ROLES)[number] = 'person'): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  if (role !== 'person') await world.query('update users set role = $2 where id = $1', [person.userId, role])
  return person
}

const isOfRoles = (rule: Rule) => typeof rule === 'object' && 'roles' in rule

/** Everybody there is, each with what the policy says of them. */
async function callersOf(world: World, rule: Rule, ofKind?: readonly string[]): Promise<Caller[]> {
  const callers: Caller[] = []
  const isPublic = rule === 'public'
  const owner = await one(world)
  callers.push({ name: 'nobody', token: undefined, person: owner, expected: isPublic ? 'in' : '401' })
  const expected = isPublic || isOfRoles(rule) ? 'in' : '401'
  callers.push({ name: 'a service', token: world.vars.OPERATOR_TOKEN, person: await one(world), expected })
  for (const role of ROLES) {
    const person = await one(world, role)
    const isHeld = typeof rule !== 'object' || !('roles' in rule) || rule.roles.some((held) => held === role)
    callers.push({ name: role, token: person.accessToken, person, expected: isHeld ? 'in' : '403' })
  }
  const asked = scopesAsked(rule)
  const keys: [string, readonly string[], Verdict][] = [
    ['a key with every scope', SCOPES, isPublic || asked ? 'in' : isOfRoles(rule) ? '401' : '403'],
    ...(asked ?? []).map((lacking): [string, readonly string[], Verdict] => [
      `a key without ${lacking}`,
      SCOPES.filter((scope) => scope !== lacking),
      '403',
    ]),
  ]
  if (asked) keys.push(['a key with no more than it needs', [...asked, ...(ofKind ?? [])], 'in'])
  for (const [name, scopes, verdict] of keys) {
    const person = await one(world)
    callers.push({ name, token: (await makeKey(person, { scopes })).secret, person, expected: verdict })
  }
  return callers
}

async function ask(world: World, route: Route, rule: Rule, { token, person }: Caller): Promise<Verdict> {
  // Whoever acts for the deployment acts on another; what is asked of nobody in particular is made for somebody else.
  const owner = isOfRoles(rule) || rule === 'public' ? await one(world) : person
  const { method, path, options } = await route.request(owner)
  const given = { ...options, ...(token !== undefined && { token }) }
  return verdictOf(await (route.isOurs ? world.call(method, path, given) : plain(world, method, path, given)))
}

async function plain(world: World, method: string, path: string, given: { token?: string; body?: unknown }) {
  const headers = { 'content-type': 'application/json', ...(given.token && { authorization: `Bearer ${given.token}` }) }
  const response = await fetch(world.url + path, {
    method,
    headers,
    body: given.body ? JSON.stringify(given.body) : null,
  })
  return { status: response.status, text: await response.text() }
}

function verdictOf(answer: Pick<Answer, 'status' | 'text'>): Verdict {
  return answer.status === 401 ? '401' : answer.status === 403 ? '403' : 'in'
}
