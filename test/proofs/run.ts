import { parseArgs } from 'node:util'
import { startWorld, type World } from '../world.ts'
import { loadProofs } from './all.ts'
import { firstOf, PROOF_VARS, type Proof, summary } from './proof.ts'

type Run = { seed: number; share: number }

/** Whether nothing was violated, and nothing answered that the document does not promise. */
async function prove(proof: Proof, world: World, run: Run): Promise<boolean> {
  const started = performance.now()
  const known = new Set(world.contract.drift)
  const found = await proof.run(world, run)
  const drift = [...world.contract.drift].filter((problem) => !known.has(problem))
  const outcome = { ...found, violations: [...found.violations, ...drift] }
  console.log(summary(proof, outcome, run.seed))
  const seconds = Math.round((performance.now() - started) / 1000)
  for (const note of [...(outcome.notes ?? []), `${seconds} s`]) console.log(`    ${note}`)
  for (const violation of firstOf(outcome.violations)) console.log(`  ✗ ${violation}`)
  return outcome.violations.length === 0
}

/** Whether every tampered system was found out. One under which the proof itself breaks was not. */
async function proveSabotaged(proof: Proof, world: World, run: Run): Promise<boolean> {
  const verdicts: boolean[] = []
  for (const [name, changes] of Object.entries(proof.sabotages)) {
    const tampered = await world.sabotaged(changes)
    try {
      const outcome = await proof.run(tampered, run)
      const isRed = outcome.violations.length > 0
      console.log(`${isRed ? '✓' : '✗'} ${summary(proof, outcome, run.seed)}, sabotaged: ${name}`)
      for (const violation of outcome.violations.slice(0, 1)) console.log(`    ${violation}`)
      verdicts.push(isRed)
    } catch (error) {
      console.log(`✗ ${proof.name}: broke, sabotaged: ${name}\n    ${error}`)
      verdicts.push(false)
    } finally {
      await tampered.stop()
    }
  }
  return verdicts.every(Boolean)
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sabotage: { type: 'boolean', default: false },
      seed: { type: 'string', default: String(crypto.getRandomValues(new Uint32Array(1))[0]) },
      share: { type: 'string', default: '1' },
      'database-url': { type: 'string' },
    },
  })
  const run = { seed: Number(values.seed), share: Number(values.share) }
  if (!Number.isInteger(run.seed) || !(run.share > 0)) throw new Error('--seed is an integer, --share is more than 0')
  const proofs = await loadProofs(positionals)
  const databaseUrl = values['database-url']
  const world = await startWorld({
    postgres: databaseUrl ? { databaseUrl } : {},
    vars: PROOF_VARS,
  })
  try {
    for (const proof of proofs) {
      const passed = await (values.sabotage ? proveSabotaged : prove)(proof, world, run)
      if (!passed) process.exitCode = 1
    }
  } finally {
    await world.stop()
  }
}
