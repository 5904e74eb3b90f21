import { execFile } from 'node:child_process'
import { copyFile, cp, glob, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FINE, PLANTS } from './gate/plants.ts'

type Answer = { code: number; stdout: string }
type Diagnostic = { severity: string; category: string; message: string; location: { path: string } }

// A slow machine with other things to do.
const WHOLE_MS = 180_000
const ROOT = join(import.meta.dirname, '..')
const BIN = join(ROOT, 'node_modules/.bin')
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
const BIOME = ['check', '--error-on-warnings', '--reporter=json', '--max-diagnostics=none']

function run(tool: string, args: string[], cwd: string): Promise<Answer> {
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: `${BIN}:${process.env.PATH}` }
    execFile(join(BIN, tool), args, { cwd, env, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout })
    })
  })
}

async function biome(cwd: string): Promise<{ code: number; diagnostics: Diagnostic[] }> {
  const { code, stdout } = await run('biome', BIOME, cwd)
  const report: { diagnostics: Diagnostic[] } = JSON.parse(stdout)
  return { code, diagnostics: report.diagnostics }
}

const show = ({ category, message, location }: Diagnostic) => `${location.path}: ${category}: ${message}`

describe('a copy of the rules over planted files', () => {
  let temporary = ''
  let folder = ''

  async function write(path: string, code: string): Promise<void> {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), code)
  }

  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'aurelius-gate-'))
    // A clone may well live under a folder called src: no rule may take that one for ours.
    folder = join(temporary, 'src/clone')
    await mkdir(folder, { recursive: true })
    for (const name of ['biome.json', 'knip.json', 'package.json', 'tsconfig.json']) {
      await copyFile(join(ROOT, name), join(folder, name))
    }
    await cp(join(ROOT, 'test/gate'), join(folder, 'test/gate'), { recursive: true })
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  })

  afterAll(async () => {
    await rm(temporary, { recursive: true, force: true })
  })

  test('Biome refuses each violation by its rule, and nothing that is fine', async () => {
    for (const [path, code] of [...PLANTS, ...FINE]) await write(path, code)
    const { code, diagnostics } = await biome(folder)
    expect(code).not.toBe(0)

    const missed = PLANTS.filter(([path, , refusedBy]) => {
      const found = diagnostics.filter((diagnostic) => diagnostic.location.path === path)
      return !found.some(({ category, message }) => message === refusedBy || category.split('/').at(-1) === refusedBy)
    })
    expect(missed.map(([path, , refusedBy]) => `${path} is not refused by ${refusedBy}`)).toEqual([])

    const fine = new Set(FINE.map(([path]) => path))
    expect(diagnostics.filter((diagnostic) => fine.has(diagnostic.location.path)).map(show)).toEqual([])
  })

  test('tsc refuses a type error, an enum and an unchecked index', async () => {
    await write(
      'types/wrong.ts',
      'export const wrong: string = 1\nexport const first = (x: string[]): string => x[0]\n',
    )
    await write('types/enum.ts', 'export enum X {\n  A,\n}\n')
    await write('types/tsconfig.json', '{ "extends": "../tsconfig.json", "include": ["*.ts"] }\n')
    const { code, stdout } = await run('tsc', ['-p', 'types'], folder)
    expect(code).not.toBe(0)
    expect(stdout).toMatch(/wrong\.ts\(1,.*TS2322/)
    expect(stdout).toMatch(/wrong\.ts\(2,.*TS2322/)
    expect(stdout).toMatch(/enum\.ts\(1,.*TS1294/)
  })

  test('knip refuses an unused export, file and dependency', async () => {
    await write('src/tasks/used.ts', 'export const used = 1\nexport const unused = 2\n')
    await write('src/tasks/forgotten.ts', 'export const forgotten = 1\n')
    await write(
      'workers/index.ts',
      "import { used } from '../src/tasks/used.ts'\n\nexport default { fetch: () => used }\n",
    )
    await write('wrangler.toml', 'main = "workers/index.ts"\n')
    const { code, stdout } = await run('knip', ['--no-progress', '--reporter=json'], folder)
    expect(code).not.toBe(0)
    type Issue = { file: string; files?: unknown[]; exports?: { name: string }[]; dependencies?: { name: string }[] }
    const { issues }: { issues: Issue[] } = JSON.parse(stdout)
    const names = (of: 'exports' | 'dependencies', file: string) =>
      issues
        .filter((issue) => issue.file === file)
        .flatMap((issue) => issue[of] ?? [])
        .map(({ name }) => name)
    expect(names('exports', 'src/tasks/used.ts')).toEqual(['unused'])
    expect(names('dependencies', 'package.json')).toContain('hono')
    expect(stdout).toContain('src/tasks/forgotten.ts')
  })
})

const FOLDERS = [
  'bench',
  'bundle',
  'console',
  'dist',
  'docs',
  'local',
  'migrations',
  'node_modules',
  'src',
  'test',
  'workers',
]
const VAGUE = /(?:^|[/-])(?:utils?|helpers?|common|misc|service|manager)(?:\.test)?\.ts$/
const SILENCED = /@ts-no(?:check)|biome-ignore-(?:all|start)/

/** What no linter sees: a name that says nothing, a whole file taken out of the rules. */
function oddities(path: string, code: string): string[] {
  return [
    ...(VAGUE.test(path) ? [`${path} has a name that says nothing`] : []),
    ...(SILENCED.test(code) ? [`${path} turns rules off for more than a line`] : []),
  ]
}

test('a vague name and a silenced file are refused', () => {
  expect(oddities('src/tasks/utils.ts', '')).toHaveLength(1)
  expect(oddities('src/tasks/task-manager.ts', '')).toHaveLength(1)
  expect(oddities('src/tasks/task.ts', `// @ts-${'nocheck'}`)).toHaveLength(1)
  expect(oddities('src/tasks/task.ts', `// biome-ignore-${'all'} lint: no`)).toHaveLength(1)
  expect(oddities('src/tasks/manage.ts', '// biome-ignore lint/x: a reason')).toEqual([])
})

test('the tree has no vague name, no silenced file and no folder of its own making', async () => {
  const found: string[] = []
  for await (const path of glob('{workers,src,bundle,local,test,bench}/**/*.ts', { cwd: ROOT })) {
    found.push(...oddities(path, await readFile(join(ROOT, path), 'utf8')))
  }
  const entries = await readdir(ROOT, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
  expect([...found, ...folders.filter((name) => !FOLDERS.includes(name))]).toEqual([])
})

test(
  'the tree is clean',
  async () => {
    const { code, diagnostics } = await biome(ROOT)
    // A plugin that fails to run says so by a note only: it would pass everything.
    const said = diagnostics.filter(({ severity, category }) => severity !== 'info' || category === 'plugin')
    expect(said.map(show)).toEqual([])
    expect(code).toBe(0)
  },
  WHOLE_MS,
)
