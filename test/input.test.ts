import { request as rawRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAuditor } from './matrix-audit.ts'
import { kindOf } from './matrix-objects.ts'
import { type Request, requestFor } from './matrix-requests.ts'
import { proof } from './proofs/06-malformed-input.ts'
import { eachOf } from './proofs/all.ts'
import { makeId, startWorld, type World } from './world.ts'

const START_MS = 60_000
const INPUT_MS = 90_000
const SEED = 20_261_123
const SHARE = 0.06
const TEN_MEGABYTES = 10_000_000
const MAX_BODY_BYTES = 1_000_000

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

test(
  'what is wrong in any way is refused by every operation, and changes nothing',
  async () => {
    const { cases, violations } = await proof.run(world, { seed: SEED, share: SHARE })
    expect(violations).toEqual([])
    expect(cases).toBeGreaterThan(2000)
    const failures = world.logs.filter(({ message }) => message.includes('"status":5'))
    expect(failures.map(({ message }) => message.slice(0, 300))).toEqual([])
  },
  INPUT_MS,
)

/** Begins to send a body and waits for what is said to it; `bytes` announced, or as many sent unannounced. */
function begin({ method, path }: Request, given: object, bytes: { announced: number } | { sent: number }) {
  return new Promise<number>((resolve, reject) => {
    const length = 'announced' in bytes ? { 'content-length': bytes.announced } : { 'transfer-encoding': 'chunked' }
    const headers = { 'content-type': 'application/json', ...given, ...length }
    const sending = rawRequest(world.url + path, { method, headers }, (response) => {
      resolve(response.statusCode ?? 0)
      sending.destroy()
    })
    sending.on('error', reject)
    sending.write(' '.repeat('sent' in bytes ? bytes.sent : 1000))
  })
}

test('a body that is too large is refused while it is sent, announced or not; one that nobody wants is not read', async () => {
  const [person, ...others] = await world.people(world.operations.length + 1)
  if (!person) throw new Error('no person')
  const auditor = await createAuditor(world)
  const before = await auditor.holdings(person.userId)
  const tries = world.operations
    .filter(({ method }) => /^(POST|PATCH|DELETE)$/.test(method))
    .flatMap((operation) => {
      const isRead = operation.body !== undefined
      const { accessToken } = (isRead ? person : others.pop()) ?? person
      const authorization = `Bearer ${operation.auth === 'operator' ? world.vars.OPERATOR_TOKEN : accessToken}`
      const keyed = { authorization, 'idempotency-key': 'large' }
      // The same request under a key is told from another by its body, wanted or not.
      return [
        { operation, isRead, headers: { authorization } },
        ...(operation.takesKey ? [{ operation, isRead: true, headers: keyed }] : []),
      ]
    })
  const wrong = await eachOf(tries, 4, async ({ operation, isRead, headers }) => {
    const prefix = kindOf(operation.path)?.prefix
    const request = requestFor(world.document, operation, prefix ? { [prefix]: makeId(prefix) } : {})
    const announced = await begin(request, headers, { announced: TEN_MEGABYTES })
    const streamed = await begin(request, headers, { sent: MAX_BODY_BYTES + 1 })
    const isFine = [announced, streamed].every((status) => (isRead ? status === 413 : status !== 413 && status < 500))
    return isFine ? [] : [`${operation.id}: ${announced}, unannounced ${streamed}`]
  })
  expect(wrong.flat()).toEqual([])
  expect(tries.length).toBeGreaterThan(30)
  expect(await auditor.holdings(person.userId)).toEqual(before)
})

test('who is not signed in is told so first, whatever they send, and nothing of it is read', async () => {
  const broken: [string, string | Uint8Array, string][] = [
    ['half an object', '{"a":', 'application/json'],
    ['broken UTF-8', Uint8Array.from([0xff]), 'application/json'],
    ['another charset', '{}', 'application/json; charset=utf-16'],
    ['another type', '<a/>', 'application/xml'],
  ]
  const wrong: string[] = []
  const closed = world.operations.filter(({ auth, body }) => auth !== 'none' && body)
  for (const operation of closed) {
    const prefix = kindOf(operation.path)?.prefix
    const request = requestFor(world.document, operation, prefix ? { [prefix]: makeId(prefix) } : {})
    const answers = broken.map(([, raw, type]) =>
      world.call(request.method, request.path, { raw, headers: { 'content-type': type } }),
    )
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    statuses.push(await begin(request, {}, { announced: TEN_MEGABYTES }), await begin(request, {}, { sent: 1000 }))
    if (statuses.some((status) => status !== 401)) wrong.push(`${operation.id}: ${statuses.join()}`)
  }
  expect(wrong).toEqual([])
  expect(closed.length).toBeGreaterThan(8)
  expect([...world.contract.drift]).toEqual([])
})
