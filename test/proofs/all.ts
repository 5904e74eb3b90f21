import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Proof } from './proof.ts'

const PROOF_FILE = /^\d\d-[a-z-]+\.ts$/

// A number is that of one proof, a word stands anywhere in a name.
const isNamed = (file: string, name: string) =>
  /^\d+$/.test(name) ? Number(file.slice(0, 2)) === Number(name) : file.includes(name)

/** The proofs of these numbers, or with one of these in their names; all of them where none is wanted. */
export async function loadProofs(wanted: string[] = []): Promise<Proof[]> {
  const files = readdirSync(import.meta.dirname).filter((file) => PROOF_FILE.test(file))
  const named = files.filter((file) => wanted.length === 0 || wanted.some((name) => isNamed(file, name)))
  if (named.length === 0) throw new Error(`no proof is called ${wanted.join(' or ')}; there are ${files.join(', ')}`)
  const modules: { proof: Proof }[] = await Promise.all(
    named.sort().map((file) => import(join(import.meta.dirname, file))),
  )
  return modules.map(({ proof }) => proof)
}

/** Does the work of every item, `atOnce` of them at a time; answers in the order of the items. */
export async function eachOf<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const entries = items.entries()
  const worker = async () => {
    for (const [index, item] of entries) results[index] = await work(item, index)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
  return results
}
