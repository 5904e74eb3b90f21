import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import * as whole from 'zod'
import OurDateRange from '../bundle/chrono-date-range.ts'
import * as ours from '../bundle/zod.ts'
import TheirDateRange from '../node_modules/chrono-node/dist/esm/locales/en/refiners/ENMergeDateRangeRefiner.js'
import { asciiProblems } from './deploy-checks.ts'
import { buildWorker, copySource } from './worker.ts'

const ROOT = join(import.meta.dirname, '..')
// Said by zod in Dutch, by Neon's driver and by a column of drizzle.
const OUT = ['Ongeldige invoer', 'fetchConnectionCache', 'PgMacaddr8']
const LEFT_OUT = ['locales', 'core', 'fromJSONSchema', 'compile', 'withParser']

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

test('the bundle is ASCII and without what was left out, until a package or a file brings it back', {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aurelius-bundle-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  copySource(folder)
  const build = async () => {
    const bundleDir = await buildWorker(join(folder, 'dist'), { minify: true, sourceDir: folder })
    return readFileSync(join(bundleDir, 'index.js'), 'utf8')
  }
  const built = await build()
  expect(asciiProblems('index.js', built)).toEqual([])
  expect(OUT.filter((words) => built.includes(words))).toEqual([])

  writeFileSync(join(folder, 'wrangler.toml'), read('wrangler.toml').replace(/\[alias\]\n(".*\n)+/, ''))
  const plain = await build()
  expect(asciiProblems('index.js', plain)).toEqual([expect.stringMatching(/^index\.js is not all ASCII: .*\u2013/)])
  expect(OUT.filter((words) => plain.includes(words))).toEqual(OUT)
})

test('an isolate starts with the shell alone: what a request or an object needs is opened by it', {
  timeout: 60_000,
}, async () => {
  const code = readFileSync(join(await buildWorker(join(ROOT, 'node_modules/.cache/aurelius')), 'index.js'), 'utf8')
  // What the bundler writes of a module: its path, and a wrapper of that name where it is opened later.
  const paths = [...code.matchAll(/^\/\/ (\S+\.(?:[cm]?js|ts))$/gm)].map(([, path = '']) => path)
  const later = new Set([...code.matchAll(/__(?:esm|commonJS)\(\{\n\s+"([^"]+)"/g)].map(([, path]) => path))
  expect(later.size).toBeGreaterThan(300)
  const atOnce = paths.filter((path) => !later.has(path)).map((path) => path.replace(/^.*node_modules\//, ''))
  expect([...new Set(atOnce)].sort()).toEqual(['workers/index.ts', 'workers/objects.ts'])
  expect(code.match(/^init_\w+\(\);$/gm)).toBe(null)
})

test('zod in the bundle is all of zod but five names, and nothing here calls those', () => {
  const kept = new Map<string, unknown>(Object.entries(ours))
  const missing = Object.entries(whole).filter(([name, value]) => value !== kept.get(name))
  // The two names of the whole are made beside what is replaced.
  expect(missing.map(([name]) => name).sort()).toEqual([...LEFT_OUT, 'default', 'z'].sort())
  const files = ['src', 'workers'].flatMap((dir) =>
    readdirSync(join(ROOT, dir), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(dir, name)),
  )
  const calls = new RegExp(`\\bz\\.(?:${LEFT_OUT.join('|')})\\b`)
  expect(files.length).toBeGreaterThan(100)
  expect(files.filter((file) => calls.test(read(file)))).toEqual([])
})

test("ours reads between two dates what chrono's own does", () => {
  const [our, their] = [new OurDateRange().patternBetween(), new TheirDateRange().patternBetween()]
  expect(our.source.replace('\\u2013', '\u2013')).toBe(their.source)
  expect(our.flags).toBe(their.flags)
  expect(' \u2013 ').toMatch(our)
})
