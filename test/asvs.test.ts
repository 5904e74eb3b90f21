import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const starting = (folder: string, number: string) =>
  readdirSync(join(ROOT, folder)).some((name) => name.startsWith(`${number}-`))

/** The ids that were chosen, each with its level. */
const CHOSEN = `1.2.4/1 1.3.6/2 1.3.11/2 1.3.12/3 1.5.2/2 1.5.3/3 2.2.1/1 2.2.2/1 2.3.1/1 2.3.3/2 2.3.4/2 2.4.1/2
  4.1.1/1 4.1.3/2 4.1.4/3 4.1.5/3 4.4.2/2 4.4.3/2 4.4.4/2 5.2.1/1 5.2.2/1 5.2.4/3 5.3.2/1 5.4.1/2 5.4.2/2
  6.2.1/1 6.2.4/1 6.2.5/1 6.2.8/1 6.2.9/2 6.2.12/2 6.3.1/1 6.3.8/3 6.4.3/2 6.5.1/2 6.5.2/2 6.5.5/2 6.6.3/2 6.8.1/2
  7.2.3/1 7.2.4/1 7.3.1/2 7.3.2/2 7.4.1/1 7.4.2/1 7.4.3/2 7.5.1/2 7.5.2/2 8.2.1/1 8.2.2/1 8.2.3/2 8.3.2/3 8.4.1/2
  9.1.1/1 9.1.2/1 9.1.3/1 9.2.1/1 9.2.2/2 9.2.3/2 9.2.4/2 10.1.2/2 10.2.1/2 10.2.2/2 10.3.1/2 10.3.2/2 10.3.3/2
  10.4.1/1 10.4.2/1 10.4.3/1 10.4.4/1 10.4.5/1 10.4.6/2 10.4.7/2 10.4.8/2 10.4.9/2 10.5.1/2 10.5.2/2 10.5.3/2 10.5.4/2
  11.2.2/2 11.3.2/1 11.3.3/2 11.3.4/3 11.4.2/2 11.5.1/2 13.1.2/3 13.1.3/3 13.2.6/3 13.3.1/2 13.3.4/3
  13.4.2/2 13.4.4/2 13.4.5/2 13.4.6/3 14.2.1/1 14.3.2/2 15.2.4/3 15.3.1/1 15.3.3/2 15.3.4/2 15.3.5/2 15.3.6/2 15.3.7/2
  15.4.2/3 16.2.5/2 16.3.1/2 16.3.2/2 16.3.3/2 16.4.1/2 16.4.2/2 16.5.1/2 16.5.2/2 16.5.3/2 16.5.4/3`.split(/\s+/)

const rows = read('docs/asvs.md')
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => line.split('|').slice(1, -1))

const PATH = /^(?:[\w.-]+\/)+[\w.-]+\.\w+$|^(?:package-lock|biome)\.json$/

/** What a row points at that is not there; of a cell that proves, each title in the file that was named before it. */
function dangling(cell: string, proves: boolean): string[] {
  const wrong: string[] = []
  let file = ''
  for (const [, text = ''] of cell.matchAll(/`([^`]+)`/g)) {
    if (PATH.test(text)) {
      file = text
      if (!existsSync(join(ROOT, file))) wrong.push(file)
    } else if (proves && !(existsSync(join(ROOT, file)) && isTitle(read(file), text))) wrong.push(`${file}: ${text}`)
  }
  for (const [, n = ''] of cell.matchAll(/\bproof (\d+)/g))
    if (!starting('test/proofs', n.padStart(2, '0'))) wrong.push(`proof ${n}`)
  for (const [, n = ''] of cell.matchAll(/\bdecision (\d+)/g))
    if (!starting('docs/decisions', n.padStart(4, '0'))) wrong.push(`decision ${n}`)
  return wrong
}

const isTitle = (source: string, title: string) =>
  ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote},`))

test('each requirement that was chosen has one row, with its level, and there is no other', () => {
  const told = rows.map(([id = '', level = '']) => `${id.trim()}/${level.trim()}`)
  expect(told.toSorted()).toEqual(CHOSEN.toSorted())
})

test('a row names files, tests, proofs and decisions that are there', () => {
  const wrong = rows.flatMap(([id = '', , , how = '', proof = '']) =>
    [...dangling(how, false), ...dangling(proof, true)].map((what) => `${id.trim()}: ${what}`),
  )
  expect(wrong).toEqual([])
})

test('a row proves what it says, or says with a reason that it is not met, or partly', () => {
  const unproved = rows.filter(([, , , how = '', proof = '']) => {
    const isProved = /\bproof \d+|`[\w./-]+\.test\.ts`/.test(proof)
    return how.trim() === '' || !(isProved || /\*\*(?:not met|partly)\*\*: \S.{15,}/.test(how))
  })
  expect(unproved.map(([id]) => id)).toEqual([])
  expect(rows.filter((row) => row.length !== 5)).toEqual([])
  expect(
    rows.filter(([, , , how = '']) => /not met|partly/.test(how) && !/\*\*(?:not met|partly)\*\*: /.test(how)),
  ).toEqual([])
})
