import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { copySource } from '../../local/worker.ts'

/** A change to the product's source that a proof must notice; `find` occurs once in the file. */
export type Sabotage = { file: string; find: string; replace: string }

const ROOT = resolve(import.meta.dirname, '../..')

/** The tree, or while `work` goes on a copy of it with the changes made. */
export async function withSource<T>(changes: Sabotage[], work: (dir: string) => Promise<T>): Promise<T> {
  if (changes.length === 0) return await work(ROOT)
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-sabotage-'))
  try {
    copySource(dir)
    for (const change of changes) tamper(dir, change)
    return await work(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Throws unless the place is found exactly once: a sabotage that no longer bites must not pass for one that does. */
export function tamper(dir: string, { file, find, replace }: Sabotage): void {
  const path = join(dir, file)
  const parts = readFileSync(path, 'utf8').split(find)
  if (parts.length !== 2) throw new Error(`a sabotage of ${file} found its place ${parts.length - 1} times: ${find}`)
  writeFileSync(path, parts.join(replace))
}

/** Opens modules of a tree in this process, by their place: where the source was tampered with, it is another. */
export function sourceAt(dir: string) {
  const file = async <T>(path: string): Promise<T> =>
    await import(/* @vite-ignore */ pathToFileURL(join(dir, path)).href)
  return { file, load: async <T>(domain: string) => await file<T>(`src/${domain}/index.ts`) }
}
