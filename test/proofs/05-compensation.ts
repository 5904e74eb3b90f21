import { createChance } from './chance.ts'
import { faultsOf, graphs, withEngine } from './lib-graphs.ts'
import type { Proof } from './proof.ts'

// More than a step is tried: it never works while this run goes on.
const MOST_FAILURES = 8
const KINDS = ['create_task', 'send_mail'] as const

export const proof: Proof = {
  id: 5,
  name: 'compensation',
  fast: true,
  sabotages: {
    'what could not be taken back is dropped': [
      {
        file: 'src/workflows/compensate.ts',
        find: 'if (reason !== null) parked.push(',
        replace: 'if (reason === null) parked.push(',
      },
    ],
    'nobody is told of it': [
      { file: 'src/workflows/compensate.ts', find: 'if (parked.length > 0)', replace: 'if (parked.length > 1000)' },
    ],
    'it is tried once': [
      {
        file: 'src/workflows/compensate.ts',
        find: "if (status === 'failed') throw new Error(says)",
        replace: "if (status === 'failed') return says",
      },
    ],
  },
  async run(world, { seed }) {
    const violations: string[] = []
    const chance = createChance(seed)
    const counts = { compensated: 0, parked: 0 }
    let cases = 0
    await withEngine(world, async ({ Definition, runTasa }) => {
      for (const graph of graphs(Definition)) {
        const clean = await graph.life().run(runTasa)
        const acts = clean.log.filter((line) => line.startsWith('do ')).map((line) => line.slice(3))
        // It fails for good at each of its acts in turn; all before it has to be taken back.
        for (const step of acts)
          for (let times = 0; times <= MOST_FAILURES; times++) {
            const life = graph.life()
            const irreversible = times === MOST_FAILURES
            for (const kind of KINDS) {
              if (irreversible) life.irreversible.add(kind)
              else life.stuck[kind] = times
            }
            const fate = chance.pick(['kill', 'always'] as const)
            await life.run(runTasa, [
              { step, phase: 'before', fate: 'always' },
              { step: ':standing', phase: 'after', fate },
            ])
            cases++
            const report = (wrong: string) =>
              violations.push(`${graph.name}, ${step} fails, taking back fails ${times} times: ${wrong}`)
            faultsOf(life, clean, graph).forEach(report)
            if (!life.end) continue
            const { status, parked } = life.end
            counts[status === 'compensated' ? 'compensated' : 'parked'] += 1
            // Each is tried five times, and what was tried in vain by one is known to work for the next.
            if (times < 5 && parked.length > 0) report(`${parked.length} were parked, which would have worked`)
            const left = [...life.effects.values()].filter((one) => one.status === 'done' || one.status === 'held')
            const known = left.filter(({ step: at }) => graph.stays.has(at) || parked.some((one) => one.step === at))
            if (known.length < left.length) report(`${left.length - known.length} are left that nobody knows of`)
          }
      }
    })
    return {
      cases,
      violations,
      notes: [`${counts.compensated} taken back, ${counts.parked} with nothing to take back or parked`],
    }
  },
}
