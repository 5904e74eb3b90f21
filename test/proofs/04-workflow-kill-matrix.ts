import type { Fate, Fault, Phase } from '../run-platform.ts'
import { createChance } from './chance.ts'
import { faultsOf, graphs, said, withEngine } from './lib-graphs.ts'
import { type Proof, scaled } from './proof.ts'

const PHASES: Phase[] = ['before', 'during', 'after']
const FATES: Fate[] = ['once', 'long', 'always', 'kill', 'wake']
const SLEEPING: Phase[] = ['before', 'after']
const CUT_OFF: Fate[] = ['kill', 'wake']
const PAIRS = 600

export const proof: Proof = {
  id: 4,
  name: 'workflow kill matrix',
  fast: true,
  sabotages: {
    'an act has another key each time': [
      {
        file: 'src/workflows/course.ts',
        find: 'path: string): string => `',
        replace: 'path: string): string => performance.now() + `',
      },
    ],
    'it is taken back from the first on': [
      {
        file: 'src/workflows/compensate.ts',
        find: 'for (const one of toUndo) {',
        replace: 'for (const one of toUndo.toReversed()) {',
      },
    ],
    'a failure is not taken back': [
      { file: 'src/workflows/compensate.ts', find: '!stays.has(idOf(step)) && ', replace: 'stays.has(idOf(step)) && ' },
    ],
    'it sleeps until what is past': [
      {
        file: 'src/workflows/platform.ts',
        find: 'if (leftMs > 0) await platform.sleep(name, leftMs)',
        replace: "await Reflect.apply(Reflect.get(platform, 'sleepUntil'), platform, [name, leftMs + nowMs()])",
      },
    ],
    'who takes back forgets that they do': [
      { file: 'src/workflows/run.ts', find: 'keptOf(run, TAKING_BACK)', replace: "keptOf(run, '')" },
    ],
    'what is found out is forgotten with its instance, and evidence with it': [
      {
        file: 'src/workflows/hands.ts',
        find: '  course.evidence.push(evidenceOf(path, kind, outcome))\n',
        replace: '',
      },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const chance = createChance(seed)
    let cases = 0
    const ends: Record<string, number> = {}
    await withEngine(world, async ({ Definition, overPlatform, runTasa }) => {
      for (const graph of graphs(Definition)) {
        const clean = await graph.life().run(runTasa)
        if (!clean.end) throw new Error(`${graph.name} does not end by itself`)
        const { stepNames: steps, sleepNames: sleeps } = clean
        const singles: Fault[][] = steps.flatMap((step) =>
          PHASES.flatMap((phase) => FATES.map((fate) => [{ step, phase, fate }])),
        )
        const asleep: Fault[][] = sleeps.flatMap((step) =>
          SLEEPING.flatMap((phase) => CUT_OFF.map((fate) => [{ step, phase, fate }])),
        )
        // Two at once, of which one may strike while the other is taken back.
        const undos = clean.log.filter((line) => line.startsWith('do ')).map((line) => `${line.slice(3)}:undo`)
        const places = [...steps, ...sleeps, ...undos, ':take back', ':standing', ':end']
        const pairs = Array.from({ length: Math.round(PAIRS / graphs(Definition).length) }, () =>
          [0, 1].map(
            (): Fault => ({ step: chance.pick(places), phase: chance.pick(PHASES), fate: chance.pick(FATES) }),
          ),
        )
        const all = [...singles, ...asleep, ...pairs]
        for (const faults of chance.shuffle(all).slice(0, scaled(all.length, share))) {
          const life = await graph.life().run(runTasa, faults, overPlatform)
          cases++
          const end = life.end?.status ?? 'stuck'
          ends[end] = (ends[end] ?? 0) + 1
          // What passes, or takes an instance with it, changes nothing of how the run ends.
          const passes = faults.every(({ fate }) => fate !== 'always' && fate !== 'long')
          if (passes && end !== clean.end.status)
            violations.push(`${graph.name}, ${faults.map(said).join(' and ')}: it ended as ${end}`)
          for (const wrong of faultsOf(life, clean, graph))
            violations.push(`${graph.name}, ${faults.map(said).join(' and ')}: ${wrong}`)
        }
      }
    })
    const notes = [
      Object.entries(ends)
        .map(([end, count]) => `${count} ${end}`)
        .join(', '),
    ]
    return { cases, violations, notes }
  },
}
