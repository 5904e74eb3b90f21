import { createAuditor, differences } from '../matrix-audit.ts'
import { validRequest } from '../matrix-valid.ts'
import { type JsonSchema, type Operation, resolveSchema } from '../openapi-document.ts'
import { isObject } from '../openapi-schema.ts'
import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'

const AT_ONCE = 4
const LONG_AGO = '2001-02-03T04:05:06.000Z'
const NO_VERSION = 424_242

/** What nobody may say of themselves, with what it would be to their good. */
const forbidden = (victim: Person): Record<string, unknown> => ({
  role: 'admin',
  disabledAt: LONG_AGO,
  emailVerifiedAt: LONG_AGO,
  tenantId: victim.userId,
  userId: victim.userId,
  user_id: victim.userId,
  ownerId: victim.userId,
  plan: 'max',
  createdAt: LONG_AGO,
  created_at: LONG_AGO,
  version: NO_VERSION,
  ['__proto__']: null,
  constructor: { prototype: { role: 'admin' } },
})

export const proof: Proof = {
  id: 11,
  name: 'mass assignment',
  fast: true,
  sabotages: {
    'a person may give themselves a role': [
      {
        file: 'src/users/schema.ts',
        find: '.strictObject({ displayName: s.line(100).optional(), preferences',
        replace: '.looseObject({ displayName: s.line(100).optional(), preferences',
      },
      {
        file: 'src/users/me.ts',
        find: 'const given = { ...input.preferences,',
        replace: 'const given = { ...input, ...input.preferences,',
      },
    ],
    'what is not known is overlooked': [
      { file: 'src/tasks/schema.ts', find: 'const given = z.strictObject({', replace: 'const given = z.object({' },
      {
        file: 'src/tasks/schema.ts',
        find: 'const givenProject = z.strictObject({',
        replace: 'const givenProject = z.object({',
      },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const auditor = await createAuditor(world)
    const [victim] = await world.people(1)
    if (!victim) throw new Error('no person')
    const before = await auditor.holdings(victim.userId)
    const writes = world.operations.filter(({ method, body }) => method !== 'GET' && body !== undefined)
    const tries = writes.flatMap((operation) =>
      Object.entries(forbidden(victim)).map(([name, value]) => ({ operation, name, value })),
    )
    const chosen = createChance(seed).shuffle(tries).slice(0, scaled(tries.length, share))
    const done = await eachOf(chosen, AT_ONCE, async ({ operation, name, value }): Promise<number> => {
      // Where an operation is there to set it, it is no secret gift.
      if (asked(world, operation.body, name)) return 0
      violations.push(...(await tryOne(world, operation, name, value)))
      return 1
    })
    const touched = differences(before, await auditor.holdings(victim.userId))
    if (touched.length > 0) violations.push(`what is another's changed: ${touched.join(', ')}`)
    const cases = done.reduce((sum, each) => sum + each, 0)
    return { cases, violations, notes: [`${writes.length} operations that take a body`] }
  },
}

function asked(world: World, schema: JsonSchema | undefined, name: string): boolean {
  if (!schema) return false
  const { properties = {}, oneOf, anyOf } = resolveSchema(world.document, schema)
  const choices = [...(oneOf ?? []), ...(anyOf ?? [])]
  return Object.hasOwn(properties, name) || choices.some((choice) => asked(world, choice, name))
}

/** The body with the property beside all others, as text: `__proto__` is a name like any other only in JSON. */
function withProperty(body: unknown, name: string, value: unknown): string {
  const text = JSON.stringify(isObject(body) ? body : {})
  const given = name === '__proto__' ? '{"role":"admin","userId":"x"}' : JSON.stringify(value)
  return `${text.slice(0, -1)}${text === '{}' ? '' : ','}"${name}":${given}}`
}

async function tryOne(world: World, operation: Operation, name: string, value: unknown): Promise<string[]> {
  const [owner] = await world.people(1)
  if (!owner) throw new Error('no person')
  const { method, path, options } = await validRequest(world, operation, owner)
  const token =
    operation.auth === 'operator'
      ? world.vars.OPERATOR_TOKEN
      : operation.auth === 'person'
        ? owner.accessToken
        : undefined
  const isForm = options.raw !== undefined
  const raw = isForm
    ? `${options.raw}&${new URLSearchParams({ [name]: JSON.stringify(value) })}`
    : withProperty(options.body, name, value)
  const headers = { ...options.headers, ...(!isForm && { 'content-type': 'application/json' }) }
  const answer = await world.call(method, path, { raw, headers, ...(token !== undefined && { token }) })
  const where = `${operation.id} with ${name}`
  // A provider's form may say more than we ask for: of that it is enough that it takes no effect.
  const wrong = isForm || answer.status === 400 ? [] : [`${where}: answered ${answer.status}`]
  const [found] = await world.query(
    `select role, disabled_at is not null or email_verified_at is not null or version = ${NO_VERSION}
      or created_at < '2002-01-01' as touched from users where id = $1`,
    [owner.userId],
  )
  if (operation.operationId === 'updatePerson') return wrong
  if (found && (found.role !== 'person' || found.touched === true)) wrong.push(`${where}: it took effect on the person`)
  const rows = await world.query(
    `select count(*)::int as n from tasks where user_id = $1 and (version = ${NO_VERSION} or created_at < '2002-01-01')`,
    [owner.userId],
  )
  if (rows[0]?.n !== 0) wrong.push(`${where}: it took effect on a task`)
  if (name === 'plan') {
    const budget = await owner.api('GET', '/v1/ai/budget')
    if (budget.status === 200 && Object(budget.json).plan === 'max') wrong.push(`${where}: the plan is another`)
  }
  return wrong
}
