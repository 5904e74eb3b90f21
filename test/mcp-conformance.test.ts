import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildWorker } from '../local/worker.ts'
import { type Sabotage, startWorld, type World } from './world.ts'

const ROOT = resolve(import.meta.dirname, '..')
const SUITE = join(ROOT, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
const ROUTES = 'src/mcp/routes.ts'
const EVERYTHING: Sabotage[] = [
  {
    file: ROUTES,
    find: "import { serve } from './serve.ts'",
    replace: `import { METHODS } from './methods.ts'
import { serve as plain } from './serve.ts'
${readFileSync(join(ROOT, 'test/mcp-everything.ts'), 'utf8')}
const serve = everything(plain, METHODS)`,
  },
  {
    file: ROUTES,
    find: 'return body === null',
    replace: 'if (body instanceof Response) return body\n    return body === null',
  },
]

let world: World
let door: Awaited<ReturnType<typeof openDoor>>

// The suite brings no token: this stands before the server and adds one, and changes nothing else.
async function openDoor() {
  const target = { url: '', token: '' }
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${target.token}` }
    const { port } = new URL(target.url)
    const asked = request(
      { host: '127.0.0.1', port, path: incoming.url, method: incoming.method, headers, setHost: false },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    asked.on('error', () => outgoing.destroy())
    incoming.pipe(asked)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url, target, close }
}

beforeAll(async () => {
  door = await openDoor()
  world = await startWorld({ vars: { PUBLIC_URL: door.url }, changes: EVERYTHING })
  const [person] = await world.people(1)
  Object.assign(door.target, { url: world.url, token: person?.accessToken })
}, 60_000)
afterAll(async () => {
  door?.close()
  await world?.stop()
})

type Check = { id: string; status: string; errorMessage?: string }

async function runSuite(version: string): Promise<Record<string, Check[]>> {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-conformance-'))
  try {
    const args = ['server', '--url', `${door.url}/mcp`, '--suite', 'all', '--spec-version', version, '-o', dir]
    // It ends with 1 where a check failed: the checks say which.
    await promisify(execFile)(process.execPath, [SUITE, ...args], { maxBuffer: 64e6 }).catch(() => undefined)
    return Object.fromEntries(
      readdirSync(dir).map((name) => [
        name.replace(/^server-(.*)-\d{4}-.*$/, '$1'),
        JSON.parse(readFileSync(join(dir, name, 'checks.json'), 'utf8')),
      ]),
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

// Of a server without sessions they try nothing: neither passed nor failed.
const FOR_SESSIONS = ['server-sse-multiple-streams', 'server-sse-polling']

test.each([
  ['2025-06-18', 26, []],
  ['2025-11-25', 32, FOR_SESSIONS],
])(
  'every scenario of the conformance suite for %s passes',
  async (version, scenarios, untried) => {
    const results = await runSuite(version)
    const failed = Object.entries(results).flatMap(([name, checks]) =>
      checks
        .filter(({ status }) => status === 'FAILURE')
        .map(({ id, errorMessage }) => `${name}: ${id}: ${errorMessage}`),
    )
    expect(failed).toEqual([])
    expect(Object.keys(results)).toHaveLength(scenarios)
    const silent = Object.entries(results).filter(([, checks]) => !checks.some(({ status }) => status === 'SUCCESS'))
    expect(silent.map(([name]) => name).sort()).toEqual(untried)
  },
  60_000,
)

test('the suite is the reason for nothing in the Worker that is deployed', async () => {
  const bundle = await buildWorker(join(ROOT, 'node_modules/.cache/aurelius'))
  const code = readFileSync(join(bundle, 'index.js'), 'utf8')
  expect(code).toContain('resources/templates/list')
  for (const theirs of [
    'test_simple_text',
    'elicitation/create',
    'prompts/get',
    'logging/setLevel',
    'modelcontextprotocol',
  ])
    expect(code).not.toContain(theirs)
})
