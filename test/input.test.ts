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
function begin({ method, path }: Request, token: string, bytes: { announced: number } | { sent: number }) {
  return new Promise<number>((resolve, reject) => {
    const length = 'announced' in bytes ? { 'content-length': bytes.announced } : { 'transfer-encoding': 'chunked' }
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...length }
    const sending = rawRequest(world.url + path, { method, headers }, (response) => {
      resolve(response.statusCode ?? 0)
      sending.destroy()
    })
    sending.on('error', reject)
    sending.write(' '.repeat('sent' in bytes ? bytes.sent : 1000))
  })
}

test('a body that is too large is refused while it is sent, announced or not', async () => {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  const auditor = await createAuditor(world)
  const before = await auditor.holdings(person.userId)
  const writing = world.operations.filter(({ method }) => /^(POST|PATCH|DELETE)$/.test(method))
  const wrong = await eachOf(writing, 4, async (operation) => {
    const prefix = kindOf(operation.path)?.prefix
    const request = requestFor(world.document, operation, prefix ? { [prefix]: makeId(prefix) } : {})
    const announced = await begin(request, person.accessToken, { announced: TEN_MEGABYTES })
    const streamed = await begin(request, person.accessToken, { sent: MAX_BODY_BYTES + 1 })
    return announced === 413 && streamed === 413 ? [] : [`${operation.id}: ${announced}, unannounced ${streamed}`]
  })
  expect(wrong.flat()).toEqual([])
  expect(writing.length).toBeGreaterThan(20)
  expect(await auditor.holdings(person.userId)).toEqual(before)
})
