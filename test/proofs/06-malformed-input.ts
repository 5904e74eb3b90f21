import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { createAuditor, differences, type Holdings } from '../matrix-audit.ts'
import { corpus, type Malformed, malformedBodies, malformedPaths, malformedQueries } from '../matrix-malformed.ts'
import { kindOf } from '../matrix-objects.ts'
import type { Request } from '../matrix-requests.ts'
import { ownRequest } from '../matrix-valid.ts'
import { type Operation, pathParameters } from '../openapi-document.ts'
import type { Answer, Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Proof, scaled } from './proof.ts'

const GENERATED = 20_000
const AT_ONCE = 4

type Base = { operation: Operation; request: Request }
type Scene = { world: World; person: Person; bases: Base[]; holdings(): Promise<Holdings>; report(what: string): void }

export const proof: Proof = {
  id: 6,
  name: 'malformed input',
  fast: false,
  sabotages: {
    'text that no column can hold is let in': [
      {
        file: 'src/core/schema.ts',
        find: "return value.isWellFormed() && !value.includes('\\0')",
        replace: 'return value.length >= 0',
      },
    ],
    'broken UTF-8 is mended': [{ file: 'workers/body.ts', find: "'utf-8', { fatal, ", replace: "'utf-8', { " }],
    'what is not valid is told in any form': [
      {
        file: 'src/core/http.ts',
        find: 'if (result.success) return',
        replace: "if (result.success || result.target === 'json') return",
      },
    ],
    'any cursor will do': [{ file: 'src/core/page.ts', find: ' && parsed.data.l === list ?', replace: ' ?' }],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const scene = await prepare(world, (what) => void violations.push(what))
    const before = await scene.holdings()
    const fixed = await tryCorpus(scene)
    const touched = differences(before, await scene.holdings())
    if (touched.length > 0) scene.report(`what is refused changed ${touched.join(', ')}`)
    const cursors = await tryCursors(scene)
    const generated = await tryGenerated(scene, seed, scaled(GENERATED, share))
    const notes = [
      `${scene.bases.length} operations; ${fixed} requests that are wrong whatever is asked, ${cursors} cursors of other lists,`,
      `${generated} requests that are not what the schema says`,
    ]
    return { cases: fixed + cursors + generated, violations: [...violations, ...world.contract.drift], notes }
  },
}

async function prepare(world: World, report: Scene['report']): Promise<Scene> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  const auditor = await createAuditor(world)
  // That a key was claimed changes nothing that is theirs; the proof of idempotency looks at keys.
  const holdings = async () => {
    const { idempotency_keys: _, ...held } = await auditor.holdings(person.userId)
    return held
  }
  const bases = await eachOf(world.operations, 1, async (operation) => {
    return { operation, request: await ownRequest(world, operation, person) }
  })
  return { world, person, bases, holdings, report }
}

function send({ world, person }: Scene, { auth }: Operation, { method, path, options }: Request): Promise<Answer> {
  const token = auth === 'operator' ? world.vars.OPERATOR_TOKEN : auth === 'person' ? person.accessToken : undefined
  return world.call(method, path, { ...options, token })
}

/** What is wrong with the answer to a malformed request; undefined where it was refused as it should be. */
function complaint({ status, headers, text }: Answer): string | undefined {
  const isProblem = headers.get('content-type')?.startsWith('application/problem+json') ?? false
  return status >= 400 && status < 500 && isProblem ? undefined : `${status} ${text.slice(0, 160)}`
}

async function tryCorpus(scene: Scene): Promise<number> {
  const { world, bases, report } = scene
  const tries = bases.flatMap(({ operation, request }) =>
    corpus(world.document, operation, request).map((malformed) => ({ operation, malformed })),
  )
  await eachOf(tries, AT_ONCE, async ({ operation, malformed: { what, request } }) => {
    const found = complaint(await send(scene, operation, request))
    if (found !== undefined) report(`${operation.id}, ${what}: ${found}`)
  })
  return tries.length
}

/** The cursor of each list, brought to every list. */
async function tryCursors(scene: Scene): Promise<number> {
  const { world, person, bases, report } = scene
  const lists = bases.filter(({ operation }) => operation.parameters.some(({ name }) => name === 'cursor'))
  const cursors: [string, string][] = []
  for (const { operation, request } of lists) {
    if (operation.auth !== 'person') continue
    const kind = pathParameters(operation.path).length === 0 ? kindOf(`${operation.path}/{id}`) : undefined
    for (let made = 0; made < 2; made++) await kind?.make(world, person, 'listed')
    const first = await person.api('GET', `${request.path}?limit=1`)
    const cursor = /"nextCursor":"([^"]+)"/.exec(first.text)?.[1]
    if (cursor !== undefined) cursors.push([operation.id, cursor])
    else if (kind) report(`${operation.id}: has no second page of two`)
  }
  for (const { operation, request } of lists) {
    for (const [origin, cursor] of cursors) {
      const { status } = await send(scene, operation, { ...request, path: `${request.path}?cursor=${cursor}` })
      if (status !== (origin === operation.id ? 200 : 400)) report(`${operation.id}, a cursor of ${origin}: ${status}`)
    }
  }
  return lists.length * cursors.length
}

async function tryGenerated(scene: Scene, seed: number, count: number): Promise<number> {
  const { document } = scene.world
  const sources = scene.bases.flatMap(({ operation, request }) =>
    [malformedBodies, malformedPaths, malformedQueries].flatMap((make) => {
      const malformed = make(document, operation, request)
      return malformed ? [{ operation, malformed }] : []
    }),
  )
  // Making them took seconds, in which nobody saw that idle connections were closed.
  await nextTurn()
  const runs = Math.ceil(count / sources.length)
  for (const { operation, malformed } of sources) await tryOne(scene, operation, malformed, { seed, numRuns: runs })
  return runs * sources.length
}

type Runs = { seed: number; numRuns: number }

async function tryOne(
  scene: Scene,
  operation: Operation,
  malformed: fc.Arbitrary<Malformed>,
  runs: Runs,
): Promise<void> {
  const before = await scene.holdings()
  const property = fc.asyncProperty(malformed, async ({ request }) => {
    const found = complaint(await send(scene, operation, request))
    if (found !== undefined) throw new Error(found)
  })
  const { counterexample, errorInstance } = await fc.check(property, runs)
  const [example] = counterexample ?? []
  if (example) {
    const { path, options } = example.request
    const sent = `${path.slice(0, 120)} ${JSON.stringify(options.body)?.slice(0, 160) ?? ''}`
    scene.report(`${operation.id}, ${example.what}: ${errorInstance}, sent ${sent}`)
  }
  const touched = differences(before, await scene.holdings())
  if (touched.length > 0) scene.report(`${operation.id}: what is refused changed ${touched.join(', ')}`)
}
