import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from './world.ts'

const ROOT = resolve(import.meta.dirname, '..')
const SUITE = join(ROOT, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
const COMMAND = `${process.execPath} ${join(ROOT, 'test/mcp-oauth-driver.ts')}`

type Check = { id: string; status: string; errorMessage?: string; details?: unknown }

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: { ALLOW_LOOPBACK_URLS: 'true' } })
}, 60_000)
afterAll(() => world?.stop())

async function run(scenario: string): Promise<Check[]> {
  const [person] = await world.people(1)
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-conformance-'))
  try {
    const env = { ...process.env, WORLD_URL: world.url, WORLD_TOKEN: person?.accessToken ?? '' }
    const args = [SUITE, 'client', '--command', COMMAND, '--scenario', scenario, '-o', dir]
    // It ends with 1 where a check failed: the checks say which.
    await promisify(execFile)(process.execPath, args, { env, maxBuffer: 64e6 }).catch(() => undefined)
    const [found = ''] = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('checks.json'),
    )
    return JSON.parse(readFileSync(join(dir, found), 'utf8'))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

// Left out: basic-cimd wants the address of its own test client, scope-step-up a client that consents without a person.
test.each([
  'metadata-default',
  'metadata-var1',
  'metadata-var2',
  'metadata-var3',
  'scope-from-www-authenticate',
  'scope-from-scopes-supported',
  'scope-omitted-when-undefined',
  'token-endpoint-auth-basic',
  'token-endpoint-auth-post',
  'token-endpoint-auth-none',
  'pre-registration',
  'resource-mismatch',
])(
  'the conformance suite finds nothing wrong with us as a client: %s',
  async (scenario) => {
    const checks = await run(`auth/${scenario}`)
    const failed = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
    expect(failed.map(({ id, errorMessage }) => `${id}: ${errorMessage}`)).toEqual([])
    expect(checks.some(({ status }) => status === 'SUCCESS')).toBe(true)
  },
  30_000,
)
