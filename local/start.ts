import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { catalogueOf } from '#ai'
import { readConfig, SETTING_NAMES } from '#config'
import { newSecrets } from './secrets.ts'
import { startWorld, type World } from './world.ts'

type Options = { port: number; dataDir: string; databaseUrl: string | undefined; withProviders: boolean }

const USAGE = 'npm start -- [--port 8787] [--data .aurelius] [--database-url postgres://…] [--with-providers]'
// A terminal sends Ctrl-C to npm and to us, and npm passes it on: that is one Ctrl-C.
const SAME_SIGNAL_MS = 400
const ORPHAN_CHECK_MS = 250
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
// Those the local world makes itself are not taken from outside.
const OWN = new Set(['ENVIRONMENT', 'DATABASE_URL', 'DATABASE_FETCH_ENDPOINT'])
const SETTINGS = SETTING_NAMES.filter((name) => !OWN.has(name))

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '8787' },
      data: { type: 'string', default: '.aurelius' },
      'database-url': { type: 'string' },
      'with-providers': { type: 'boolean', default: false },
    },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`--port ${values.port} is not a port`)
  if (values.data === '') throw new Error('--data needs a folder')
  const databaseUrl = values['database-url']
  if (databaseUrl !== undefined && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new Error('--database-url must be a postgres:// URL')
  }
  return { port, dataDir: values.data, databaseUrl, withProviders: values['with-providers'] }
}

/** The settings given by the environment, checked before anything is started: every problem at once. */
async function readSettings(): Promise<Record<string, string>> {
  const given = Object.fromEntries(SETTINGS.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
  const whole = { ENVIRONMENT: 'local', DATABASE_URL: 'postgres://local/local', ...(await newSecrets()), ...given }
  catalogueOf(readConfig(whole))
  return given
}

function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error)
  console.error(`Aurelius did not start: ${message}`)
  const port = /^port (\d+) is taken/.exec(message)?.[1]
  if (port) console.error(`Stop what uses it, or choose another: npm start -- --port ${Number(port) + 10}`)
  process.exit(1)
}

async function describe(
  { url, mailbox, pushes, providers }: World,
  { dataDir, databaseUrl }: Options,
): Promise<string> {
  const readiness = await fetch(`${url}/health/ready`)
  const { dependencies }: { dependencies: { name: string; provider: string }[] } = await readiness.json()
  const model = dependencies.find(({ name }) => name === 'model')?.provider ?? 'unknown'
  const chat = url.endsWith(':8787') ? 'npm run chat' : `npm run chat -- --url ${url}`
  const claude = model.startsWith('offline') ? '; for Claude: ANTHROPIC_API_KEY=… npm start' : ''
  return [
    `  talk to it    ${chat}   (in another terminal)`,
    `  its API       ${url}/docs`,
    ...(mailbox ? [`  its mail      ${mailbox.url}`] : []),
    `  its pushes    ${pushes.url}`,
    ...(providers ? [`  sign in as    ${Object.values(providers.people).join(', ')}: npm run sign-in google`] : []),
    `  model         ${model}${claude}`,
    `  data          ${dataDir}${databaseUrl ? ' and the database that was named' : ''}; log in ${join(dataDir, 'logs/worker.log')}`,
    '  stop          Ctrl-C; nothing is lost',
  ].join('\n')
}

function stopOnSignals(stop: () => Promise<void>): { isStopping: () => boolean } {
  let firstMs: number | undefined
  const onSignal = async (signal: string) => {
    if (firstMs !== undefined) {
      if (Date.now() - firstMs > SAME_SIGNAL_MS) process.exit(1)
      return
    }
    firstMs = Date.now()
    console.log(`\nStopping (${signal})…`)
    await stop().catch(fail)
    console.log('Stopped.')
    process.exit(0)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  // npm gives a SIGTERM to the shell between us, which dies of it and tells nobody.
  const parent = process.ppid
  const isOrphan = () => process.ppid !== parent && firstMs === undefined
  if (process.env.npm_lifecycle_event) setInterval(() => isOrphan() && void onSignal('npm is gone'), ORPHAN_CHECK_MS)
  // The terminal may be gone before us.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {})
  // Miniflare's own would end the process with an error, and the database under it.
  process.on('newListener', (event, listener) => {
    if (SIGNALS.some((signal) => signal === event)) setImmediate(() => process.off(event, listener))
  })
  return { isStopping: () => firstMs !== undefined }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const vars = await readSettings()
  console.log('Starting…')
  const starting = startWorld({ ...options, vars, onNotice: (line) => console.error(`! ${line}`) })
  // Ctrl-C reaches what is just being started, too: that it did not become ready is then no failure.
  const { isStopping } = stopOnSignals(async () => (await starting.catch(() => undefined))?.stop())
  try {
    const world = await starting
    const more = await describe(world, options)
    if (!isStopping()) console.log(`Aurelius is ready at ${world.url}\n${more}`)
  } catch (error) {
    if (!isStopping()) throw error
  }
}

await main().catch((error) => {
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    error.message = `${error.message.split('\n')[0]}\nUse: ${USAGE}`
  }
  fail(error)
})
