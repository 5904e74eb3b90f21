import type { Request } from '../matrix-requests.ts'
import { validRequest } from '../matrix-valid.ts'
import type { Operation } from '../openapi-document.ts'
import type { Answer, Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import type { Fault } from './lib-faulty.ts'

// Several trips one after the other, each with its deadline, and a machine that has other things to do.
export const ANSWER_WITHIN_MS = 12_000
export const AT_ONCE = 8
export const HUNG = 'hung'

/** The whole system, what became of it so far, and how it was meant to. */
export type Scene = {
  world: World
  served: World
  violations: string[]
  /** By upstream and fault, how often each thing was said. */
  table: Map<string, Map<string, number>>
  cases: number
}

/** What `work` gives; `hung` where that took too long. */
export async function within<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | typeof HUNG> {
  try {
    return await work(AbortSignal.timeout(ANSWER_WITHIN_MS))
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return HUNG
    throw error
  }
}

// What is told to who follows it has no end: there it is the beginning that must come.
export const ask = ({ served }: Scene, { method, path, options }: Request, token: string | undefined) =>
  within((signal) => {
    const asked = { ...options, whole: method !== 'GET', signal, ...(token && { token }) }
    return served.call(method, path, asked)
  })

export function note({ table }: Scene, cell: string, answer: Answer | number | string): void {
  const row = table.get(cell) ?? new Map<string, number>()
  table.set(cell, row)
  const said = typeof answer === 'object' ? String(answer.status) : String(answer || HUNG)
  row.set(said, (row.get(said) ?? 0) + 1)
}

/** One case: what was said, and a violation where that was not right. */
export function judge(
  scene: Scene,
  upstream: string,
  fault: Fault,
  what: string,
  said: string,
  isRight: boolean,
): void {
  scene.cases++
  note(scene, `${upstream}, ${fault}`, `${what}: ${said}`)
  if (!isRight) scene.violations.push(`${upstream} ${fault}: ${what}: ${said}`)
}

export const tableOf = ({ table }: Scene) =>
  [...table].map(([cell, counts]) => {
    const said = [...counts].sort().map(([status, n]) => `${status} \u00d7 ${n}`)
    return `${cell.padEnd(24)} ${said.join(', ')}`
  })

export type Prepared = { operation: Operation; request: Request; owner: Person }

/** A valid request of each operation, made while all is well. */
export async function prepare({ served }: Scene, operations: Operation[]): Promise<Prepared[]> {
  const owners = await served.people(operations.length)
  return await eachOf(operations, AT_ONCE, async (operation, n) => {
    const owner = owners[n]
    if (!owner) throw new Error('no people')
    return { operation, owner, request: await validRequest(served, operation, owner) }
  })
}

export const tokenOf = (world: World, { operation, owner }: Prepared) =>
  operation.auth === 'person'
    ? owner.accessToken
    : operation.auth === 'operator'
      ? world.vars['OPERATOR_TOKEN']
      : undefined

/** Somebody new. */
export async function onePerson(world: World): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no people')
  return person
}
