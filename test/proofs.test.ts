import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SABOTAGES } from './month/sabotages.ts'
import { proof as duplicateDelivery } from './proofs/01-duplicate-delivery.ts'
import { proof as lostEnqueue } from './proofs/02-lost-enqueue.ts'
import { proof as killMatrix } from './proofs/04-workflow-kill-matrix.ts'
import { proof as compensation } from './proofs/05-compensation.ts'
import { proof as contractCoverage } from './proofs/07-contract-coverage.ts'
import { proof as tenantIsolation } from './proofs/09-tenant-isolation.ts'
import { proof as roleMatrix } from './proofs/10-role-matrix.ts'
import { proof as massAssignment } from './proofs/11-mass-assignment.ts'
import { proof as refreshReplay } from './proofs/12-refresh-replay.ts'
import { proof as tokenForgery } from './proofs/13-token-forgery.ts'
import { proof as oauthAttacks } from './proofs/15-oauth-attacks.ts'
import { proof as idempotency } from './proofs/18-idempotency.ts'
import { proof as races } from './proofs/19-races.ts'
import { proof as rateLimits } from './proofs/20-rate-limits.ts'
import { proof as scheduledWork } from './proofs/23-scheduled-work.ts'
import { proof as realtimeResume } from './proofs/24-realtime-resume.ts'
import { proof as audit } from './proofs/25-audit.ts'
import { proof as budget } from './proofs/26-budget.ts'
import { proof as silence } from './proofs/27-silence.ts'
import { proof as simulation } from './proofs/28-simulation.ts'
import { proof as undo } from './proofs/29-undo.ts'
import { proof as taint } from './proofs/30-taint.ts'
import { proof as schedules } from './proofs/32-schedules.ts'
import { loadProofs } from './proofs/all.ts'
import { createChance } from './proofs/chance.ts'
import { PROOF_VARS, type Proof, summary } from './proofs/proof.ts'
import { mannWhitney, signedRank } from './proofs/significance.ts'
import { startWorld, type World } from './world.ts'

const START_MS = 60_000
const PROOF_MS = 180_000
const SEED = 20_261_123

const ROOT = resolve(import.meta.dirname, '..')

// The share of the full number of cases; `npm run proofs` has all of them. With `seen` one of its sabotages is tried here
// too; those of the others take longer: `npm run proofs -- --sabotage`.
const FAST: [Proof, number, seen?: 'seen'][] = [
  [duplicateDelivery, 0.05],
  [lostEnqueue, 0.2],
  [contractCoverage, 0.03],
  [tenantIsolation, 0.02, 'seen'],
  [roleMatrix, 0.3, 'seen'],
  [massAssignment, 0.2, 'seen'],
  [refreshReplay, 0.03, 'seen'],
  [tokenForgery, 0.1, 'seen'],
  [oauthAttacks, 0.5, 'seen'],
  [idempotency, 0.07],
  [races, 0.04, 'seen'],
  [rateLimits, 0.1],
  [scheduledWork, 0.05],
  [realtimeResume, 0.1],
  [audit, 0.03],
  [budget, 0.08],
  [schedules, 0.02],
  [undo, 0.05],
  [killMatrix, 0.05],
  [compensation, 1],
  [silence, 0.05],
  [simulation, 0.1],
  [taint, 0.02],
]

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: PROOF_VARS })
}, START_MS)
afterAll(() => world.stop())

for (const [proof, share, seen] of FAST) {
  test(
    `nothing violates ${proof.name}`,
    async () => {
      const outcome = await proof.run(world, { seed: SEED, share })
      expect(outcome.violations).toEqual([])
      expect(summary(proof, outcome, SEED)).toMatch(/^[a-z ]+: \d{2,} cases, 0 violations, seed \d+$/)
    },
    PROOF_MS,
  )

  if (!seen) continue
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

test('each proof that is marked as fast is tried here, and no other', async () => {
  const marked = (await loadProofs()).filter(({ fast }) => fast).map(({ id }) => id)
  expect(FAST.map(([{ id }]) => id).sort((a, b) => a - b)).toEqual(marked)
})

test('a proof is called by its number, or by a word of its name', async () => {
  const idsOf = async (name: string) => (await loadProofs([name])).map(({ id }) => id)
  expect(await Promise.all(['4', '14', 'workflow', '04-workflow'].map(idsOf))).toEqual([[4], [14], [4], [4]])
  await expect(loadProofs(['999'])).rejects.toThrow('no proof')
})

test('a sabotage whose place is gone, or is there twice, is an error', async () => {
  const file = 'src/database/owner.ts'
  await expect(world.sabotaged([{ file, find: 'is nowhere in it', replace: '' }])).rejects.toThrow('0 times')
  await expect(world.sabotaged([{ file, find: 'import', replace: '' }])).rejects.toThrow(/\d times/)
})

test('every sabotage finds its place in the source', async () => {
  const all = [...(await loadProofs()), { id: 'month', sabotages: SABOTAGES }]
  const changes = all.flatMap(({ id, sabotages }) =>
    Object.entries(sabotages).flatMap(([name, all]) => all.map((change) => ({ ...change, name: `${id} ${name}` }))),
  )
  const lost = changes.filter(({ file, find }) => readFileSync(join(ROOT, file), 'utf8').split(find).length !== 2)
  expect(lost.map(({ name, file, find }) => `${name}: ${file}: ${find}`)).toEqual([])
  expect(changes.length).toBeGreaterThan(50)
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

test('samples of two distributions are told from samples of one', () => {
  const { next } = createChance(2)
  const some = (more: number) => Array.from({ length: 200 }, () => next() + more)
  const same = Array.from({ length: 200 }, () => mannWhitney(some(0), some(0)))
  expect(same.filter((p) => p < 0.5).length).toBeGreaterThan(70)
  expect(same.filter((p) => p < 0.5).length).toBeLessThan(130)
  expect(mannWhitney(some(0), some(0.2))).toBeLessThan(0.001)
  // As scipy.stats.mannwhitneyu says, asymptotic and without its correction for continuity.
  expect(mannWhitney([1, 2, 2, 3, 5], [4, 5, 6, 7, 8, 9])).toBeCloseTo(0.013285, 5)
  expect(mannWhitney([1, 1], [1, 1, 1])).toBe(1)
})
