import { afterAll, beforeAll, expect, test } from 'vitest'
import { proof as duplicateDelivery } from './proofs/01-duplicate-delivery.ts'
import { proof as lostEnqueue } from './proofs/02-lost-enqueue.ts'
import { proof as contractCoverage } from './proofs/07-contract-coverage.ts'
import { proof as tenantIsolation } from './proofs/09-tenant-isolation.ts'
import { proof as refreshReplay } from './proofs/12-refresh-replay.ts'
import { proof as idempotency } from './proofs/18-idempotency.ts'
import { proof as rateLimits } from './proofs/20-rate-limits.ts'
import { proof as realtimeResume } from './proofs/24-realtime-resume.ts'
import { proof as budget } from './proofs/26-budget.ts'
import { createChance } from './proofs/chance.ts'
import { type Proof, summary } from './proofs/proof.ts'
import { signedRank } from './proofs/significance.ts'
import { startWorld, type World } from './world.ts'

const START_MS = 60_000
const PROOF_MS = 60_000
const SEED = 20_261_123

// The share of the full number of cases; `npm run proofs` has all of them.
const FAST: [Proof, number][] = [
  [duplicateDelivery, 0.05],
  [lostEnqueue, 0.2],
  [contractCoverage, 0.03],
  [tenantIsolation, 0.02],
  [refreshReplay, 0.03],
  [idempotency, 0.07],
  [rateLimits, 0.1],
  [realtimeResume, 0.1],
  [budget, 0.08],
]

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

for (const [proof, share] of FAST) {
  test(
    `nothing violates ${proof.name}`,
    async () => {
      const outcome = await proof.run(world, { seed: SEED, share })
      expect(outcome.violations).toEqual([])
      expect(summary(proof, outcome, SEED)).toMatch(/^[a-z ]+: \d{2,} cases, 0 violations, seed \d+$/)
    },
    PROOF_MS,
  )

  test(
    `a Worker that was tampered with violates ${proof.name}`,
    async () => {
      const [changes = []] = Object.values(proof.sabotages)
      const tampered = await world.sabotaged(changes)
      try {
        const { violations } = await proof.run(tampered, { seed: SEED, share: share / 2 })
        expect(violations).not.toEqual([])
      } finally {
        await tampered.stop()
      }
    },
    PROOF_MS,
  )
}

test('a sabotage whose place is gone, or is there twice, is an error', async () => {
  const file = 'src/database/owner.ts'
  await expect(world.sabotaged([{ file, find: 'is nowhere in it', replace: '' }])).rejects.toThrow('0 times')
  await expect(world.sabotaged([{ file, find: 'import', replace: '' }])).rejects.toThrow(/\d times/)
})

test('the same seed gives the same chances, evenly', () => {
  const draw = (seed: number) => Array.from({ length: 1000 }, createChance(seed).next)
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  const mean = draw(7).reduce((sum, value) => sum + value, 0) / 1000
  expect(mean).toBeGreaterThan(0.45)
  expect(mean).toBeLessThan(0.55)
})

test('durations that differ are told from durations that do not', () => {
  const { next } = createChance(1)
  const pairs = (more: number) => Array.from({ length: 60 }, (): [number, number] => [5 + next() + more, 5 + next()])
  expect(signedRank(pairs(0))).toBeLessThan(3)
  expect(signedRank(pairs(1))).toBeGreaterThan(5)
})
