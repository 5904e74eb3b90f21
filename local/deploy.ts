import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify, stripVTControlCharacters } from 'node:util'
import { gzipSync } from 'node:zlib'
import { Client } from 'pg'
import { unstable_convertConfigBindingsToStartWorkerBindings, unstable_readConfig } from 'wrangler'
import { catalogueOf } from '#ai'
import { readConfig } from '#config'
import * as check from './deploy-checks.ts'

type Settings = {
  bindings: check.Bindings
  classes: check.ClassMigration[]
  consumers: check.QueueConsumer[]
  secrets: string[]
}
type Section = { title: string; said: string[]; problems: string[] }

const ROOT = join(import.meta.dirname, '..')
const WRANGLER = join(ROOT, 'node_modules/.bin/wrangler')
const CONFIG = 'wrangler.toml'
const ENVIRONMENT = ['--env', 'production']
const QUIET = { ...process.env, WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' }
const run = promisify(execFile)

function readSettings(config: string, env?: string): Settings {
  const read = unstable_readConfig({ config, env }, { hideWarnings: true })
  return {
    bindings: unstable_convertConfigBindingsToStartWorkerBindings(read) ?? {},
    classes: read.migrations,
    consumers: read.queues.consumers ?? [],
    secrets: read.secrets?.required ?? [],
  }
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'aurelius-deploy-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const git = (...args: string[]) =>
  run('git', args, { cwd: ROOT }).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  )

/** Production's settings as of the last tag, or of the main branch where nothing was tagged yet. */
async function releasedSettings(): Promise<{ name: string; settings: Settings } | null> {
  const tag = await git('describe', '--tags', '--abbrev=0')
  for (const name of tag ? [tag] : ['origin/main', 'main']) {
    const text = await git('show', `${name}:${CONFIG}`)
    if (text === null) continue
    const settings = await withFolder(async (folder) => {
      await writeFile(join(folder, CONFIG), text)
      return readSettings(join(folder, CONFIG), 'production')
    })
    return { name, settings }
  }
  return null
}

/** What would be uploaded. */
async function builtFiles(): Promise<{ name: string; content: Buffer }[]> {
  return await withFolder(async (folder) => {
    await wrangler('deploy', '--dry-run', ...ENVIRONMENT, '--outdir', folder)
    const names = (await readdir(folder)).filter((name) => !name.endsWith('.map') && name !== 'README.md')
    return await Promise.all(names.map(async (name) => ({ name, content: await readFile(join(folder, name)) })))
  })
}

type Seen = { applied: number[]; extensions: string[] }

async function readDatabase(connectionString: string): Promise<Seen> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query(`select to_regclass('drizzle.__drizzle_migrations') is not null as there`)
    const available = await client.query<{ name: string }>('select name from pg_available_extensions')
    const extensions = available.rows.map(({ name }) => name)
    if (!rows[0]?.there) return { applied: [], extensions }
    const applied = await client.query<{ at: string }>('select created_at as at from drizzle.__drizzle_migrations')
    return { applied: applied.rows.map(({ at }) => Number(at)), extensions }
  } finally {
    await client.end()
  }
}

// A check that cannot be made is itself a problem, told with the others.
async function section(title: string, look: () => Promise<Omit<Section, 'title'>>): Promise<Section> {
  try {
    return { title, ...(await look()) }
  } catch (error) {
    return { title, said: [], problems: [error instanceof Error ? error.message : String(error)] }
  }
}

async function wrangler(...args: string[]): Promise<string> {
  try {
    return (await run(WRANGLER, args, { cwd: ROOT, env: QUIET })).stdout
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? stripVTControlCharacters(String(error.stderr)) : ''
    const lines = said.split('\n').map((line) => line.replace('✘ [ERROR]', '').trim())
    const cause = lines.filter((line) => line && !line.startsWith('🪵')).slice(0, 3)
    throw new Error(cause.join(' ') || `wrangler ${args[0]} failed`, { cause: error })
  }
}

async function bindings(local: Settings, production: Settings) {
  const stale = await wrangler('types', '--check').then(
    () => [],
    (error: Error) => [error.message],
  )
  const needed = check.neededBindings(await readFile(join(ROOT, 'worker-configuration.d.ts'), 'utf8'))
  const problems = check.bindingProblems(local.bindings, production.bindings, needed, production.secrets)
  return { said: [], problems: [...stale, ...problems] }
}

async function settings({ bindings, secrets }: Settings, isRehearsal: boolean) {
  const problems = check.settingProblems(bindings, secrets, (vars) => catalogueOf(readConfig(vars)))
  return {
    said: ['each is in [env.production.vars], or named in [env.production.secrets] required'],
    problems: isRehearsal ? problems : [...problems, ...check.placeholderProblems(bindings)],
  }
}

async function secrets(required: string[], isRehearsal: boolean) {
  const said = [`required: ${required.join(', ') || 'none'}`]
  if (isRehearsal) return { said, problems: [] }
  const present: { name: string }[] = JSON.parse(await wrangler('secret', 'list', ...ENVIRONMENT, '--format', 'json'))
  const names = present.map((secret) => secret.name)
  return { said: [...said, `set: ${names.join(', ') || 'none'}`], problems: check.secretProblems(required, names) }
}

async function database(databaseUrl: string | undefined) {
  const journal: { entries: check.JournalEntry[] } = JSON.parse(
    await readFile(join(ROOT, 'migrations/meta/_journal.json'), 'utf8'),
  )
  const files = (await readdir(join(ROOT, 'migrations'))).filter((file) => file.endsWith('.sql'))
  const problems = check.journalProblems(journal.entries, files)
  const said = [`${files.length} migrations in the repository`]
  if (!databaseUrl) return { said, problems }
  const { applied, extensions } = await readDatabase(databaseUrl)
  const texts = await Promise.all(
    check.pending(journal.entries, applied).map(async (tag) => ({
      tag,
      text: await readFile(join(ROOT, 'migrations', `${tag}.sql`), 'utf8'),
    })),
  )
  const waiting = check.applicable(texts, extensions)
  return {
    said: [...said, `${waiting.length} of them pending`],
    problems: [...problems, ...waiting.map((tag) => `migration ${tag} is not applied yet`)],
  }
}

async function bundle() {
  const files = await builtFiles()
  const gzipBytes = files.reduce((sum, { content }) => sum + gzipSync(content).length, 0)
  const scripts = files.filter(({ name }) => name.endsWith('.js'))
  return {
    said: [`${Math.round(gzipBytes / 1000)} kB gzip of ${check.MAX_BUNDLE_GZIP_BYTES / 1000}`],
    problems: [
      ...check.sizeProblems(gzipBytes),
      ...scripts.flatMap(({ name, content }) => check.asciiProblems(name, content.toString())),
    ],
  }
}

async function preflight(isRehearsal: boolean, databaseUrl: string | undefined): Promise<Section[]> {
  const local = readSettings(join(ROOT, CONFIG))
  const production = readSettings(join(ROOT, CONFIG), 'production')
  const released = await releasedSettings()
  const since = released ? `since ${released.name}` : 'nothing released yet'
  const { classes, consumers } = production
  return await Promise.all([
    section('Bindings', () => bindings(local, production)),
    section('Settings', () => settings(production, isRehearsal)),
    section('Secrets', () => secrets(production.secrets, isRehearsal)),
    section('Durable Objects', async () => ({
      said: [`${classes.map((migration) => migration.tag).join(', ')} (${since})`],
      problems: [
        ...check.classProblems(production.bindings, classes),
        ...check.tagProblems(released?.settings.classes ?? [], classes, released?.name ?? ''),
      ],
    })),
    section('Queues', async () => ({ said: [], problems: check.queueProblems(production.bindings, consumers) })),
    section('Database', () => database(databaseUrl)),
    section('Bundle', bundle),
    section(`Changes, ${since}`, async () => ({
      said: check.changes(released?.settings.bindings ?? null, production.bindings),
      problems: [],
    })),
  ])
}

function report(sections: Section[]): number {
  for (const { title, said, problems } of sections) {
    console.log(`${problems.length > 0 ? '✗' : '✓'} ${title}`)
    for (const line of said) console.log(`    ${line}`)
    for (const line of problems) console.log(`  ✗ ${line}`)
  }
  const found = sections.flatMap((section) => section.problems).length
  console.log(found > 0 ? `\nNothing was deployed; problems: ${found}.` : '\nReady to deploy.')
  return found
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean' }, 'database-url': { type: 'string' } } })
  const isRehearsal = values['dry-run'] ?? false
  // A rehearsal asks no database unless told to, so that it means the same on every machine.
  const databaseUrl = values['database-url'] ?? (isRehearsal ? undefined : process.env.DATABASE_URL)
  const found = report(await preflight(isRehearsal, databaseUrl))
  if (found > 0) process.exitCode = 1
  else if (!isRehearsal) {
    const deploying = spawn(WRANGLER, ['deploy', ...ENVIRONMENT], { cwd: ROOT, stdio: 'inherit' })
    deploying.on('exit', (code) => {
      process.exitCode = code ?? 1
    })
  }
}
