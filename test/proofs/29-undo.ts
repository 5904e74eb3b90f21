import { isDeepStrictEqual } from 'node:util'
import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { startNotes } from './lib-adversary.ts'
import { ELSEWHERE, essence, type Ground, INPUTS, prepareGround, snapshot } from './lib-undo.ts'
import { type Proof, scaled } from './proof.ts'

const ROUNDS = 20
const CHAINS = 40
const LONGEST = 8
const AT_ONCE = 2

type Kind = { kind: string; outward: boolean; reversible: boolean; holdS: number }
type Scene = {
  world: World
  notesUrl: string
  chance: Chance
  kinds: Kind[]
  report(what: string): void
  count: number
}

export const proof: Proof = {
  id: 29,
  name: 'undo',
  fast: true,
  sabotages: {
    'a change is taken back but for its reminder': [
      {
        file: 'src/tasks/plans.ts',
        find: 'remindAt: toMomentInput(remindAt) }\n',
        replace: 'remindAt: null }\n',
      },
    ],
    'what is taken back is what was found second': [
      {
        file: 'src/effects/undo.ts',
        find: '.orderBy(desc(doneAt), desc(e.id))',
        replace: '.orderBy(doneAt, e.id)',
      },
    ],
    'what cannot be taken back passes for what can': [
      { file: 'src/effects/kinds.ts', find: 'delete_project: { undoWindowMs: null },', replace: '' },
    ],
    'an undo that did nothing says it did': [
      {
        file: 'src/effects/undo.ts',
        find: "    ;({ output } = await tool.run(actingFor(ctx, row, tool.name, 'undo'), undo.input))",
        replace: '    output = null',
      },
    ],
    'a reopened task loses when it was done': [
      {
        file: 'src/tasks/plans.ts',
        find: "{ tool: 'complete_task', input: { id, completedAt }, says }",
        replace: "{ tool: 'complete_task', input: { id }, says }",
      },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const report = (what: string) => void violations.push(what)
    const [asker] = await world.people(1)
    if (!asker) throw new Error('no person')
    const { items: kinds } = await ask<{ items: Kind[] }>(asker, 'GET', '/v1/effect-kinds')
    const notes = await startNotes(() => '')
    const scene: Scene = { world, notesUrl: notes.url, chance: createChance(seed), kinds, report, count: 0 }
    for (const { kind } of kinds) if (!INPUTS[kind]) report(`${kind}: nobody tries it`)
    const singles = kinds.flatMap((kind) => Array.from({ length: scaled(ROUNDS, share) }, () => kind))
    await eachOf(singles, AT_ONCE, (kind) => trySingle(scene, kind))
    await eachOf(Array.from({ length: scaled(CHAINS, share) }), AT_ONCE, () => tryChain(scene))
    notes.stop()
    const irreversible = kinds.filter(({ reversible }) => !reversible).map(({ kind }) => kind)
    return {
      cases: scene.count,
      violations,
      notes: [`${kinds.length} kinds of effect, of which flagged as irreversible: ${irreversible.join(', ')}`],
    }
  },
}

async function ask<T>(person: Person, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await person.api(method, path, { body })
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
  return JSON.parse(answer.text)
}

type Shown = { id: string; status: string; reversible: boolean; error: unknown }

async function makeGround({ world, chance, notesUrl }: Scene): Promise<{ person: Person; ground: Ground }> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  return { person, ground: await prepareGround(person, chance, notesUrl) }
}

/** One effect, looked at before, done, and taken back. */
async function trySingle(scene: Scene, { kind, reversible }: Kind): Promise<void> {
  const inputOf = INPUTS[kind]
  if (!inputOf) return
  scene.count++
  const { person, ground } = await makeGround(scene)
  const input = inputOf(ground, scene.chance)
  const said = (what: string) => scene.report(`${kind} ${JSON.stringify(input)}: ${what}`)
  const before = await snapshot(person)
  const seen = await ask<{ reversible: boolean }>(person, 'POST', '/v1/effects/preview', { kind, input })
  if (!isDeepStrictEqual(await snapshot(person), before)) return said('to look at it changed something')
  const done = await ask<Shown>(person, 'POST', '/v1/effects', { kind, input })
  if (!['done', 'held', 'sending'].includes(done.status)) return said(`was not done: ${JSON.stringify(done)}`)
  const after = await snapshot(person)
  if (done.status === 'done' && !ELSEWHERE.has(kind) && isDeepStrictEqual(after, before))
    said('changed nothing that is seen')
  // What is held can still be cancelled, whatever can be done about it later.
  if (done.status === 'done' && seen.reversible !== done.reversible)
    said(`before it was said to be reversible: ${seen.reversible}, after: not so`)
  const isNews = !isDeepStrictEqual(after, before)
  if (reversible && !seen.reversible && isNews) said('its kind passes for reversible, and it is not')
  if (seen.reversible && !reversible) said('its kind is flagged as irreversible, and it is not')
  const undone = await undo(person, { id: done.id })
  const wanted = done.status === 'held' ? 'cancelled' : seen.reversible ? 'undone' : 'irreversible'
  if (undone.join() !== wanted) return said(`undoing it came to ${undone}, not ${wanted}`)
  const left = await snapshot(person)
  const same = wanted === 'irreversible' ? after : before
  if (!isDeepStrictEqual(left, same)) said(`left another state: ${difference(same, left)}`)
}

/** Several effects, each on what those before it left, all of them taken back at once. */
async function tryChain(scene: Scene): Promise<void> {
  scene.count++
  const { person, ground } = await makeGround(scene)
  const before = await snapshot(person)
  const names: string[] = []
  const since = new Date(Date.now() - 1).toISOString()
  const kinds = scene.kinds.filter(({ kind, reversible }) => reversible && INPUTS[kind])
  for (let n = scene.chance.int(LONGEST) + 1; n > 0; n--) {
    const { kind } = scene.chance.pick(kinds)
    const answer = await ask<Shown>(person, 'POST', '/v1/effects', {
      kind,
      input: INPUTS[kind]?.(ground, scene.chance),
    })
    names.push(`${kind} ${answer.status}`)
  }
  const undone = await undo(person, { since })
  if (undone.some((status) => !['undone', 'cancelled', 'irreversible'].includes(status)))
    scene.report(`${names.join(', ')}: taken back as ${undone.join(', ')}`)
  const left = await snapshot(person)
  // What changed nothing has nothing to take back, so it may say that it is irreversible.
  if (!isDeepStrictEqual(left, before)) scene.report(`${names.join(', ')}: left ${difference(before, left)}`)
}

async function undo(person: Person, which: object): Promise<string[]> {
  const { items } = await ask<{ items: { status: string }[] }>(person, 'POST', '/v1/effects/undo', which)
  return items.map(({ status }) => status)
}

function difference(wanted: Record<string, unknown>, left: Record<string, unknown>): string {
  const names = Object.keys({ ...wanted, ...left }).filter((name) => !isDeepStrictEqual(wanted[name], left[name]))
  return names
    .map((name) => `${name}: ${JSON.stringify(essence(wanted[name]))} became ${JSON.stringify(essence(left[name]))}`)
    .join('; ')
    .slice(0, 600)
}
