import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { freePort } from '../local/free-port.ts'
import { startWorld, type World } from '../local/world.ts'

/** Fenced blocks that stand one after the other: what is run, and what the README shows of it. */
type Step = { code: { kind: string; text: string }[]; shown: string | undefined }

const ROOT = resolve(import.meta.dirname, '..')
const TOUR_MS = 60_000
const SETTLED_MS = 20_000
const NEEDED = ['bash', 'curl', 'grep', 'openssl']
const PORT = 8787
// What the README shows to be refused.
const REFUSED = ['412 PATCH', '403 GET', '401 POST']
const ANY_LINES = '(?:.*\\n)*?'
const MARK = '\u001e'

// Which status each call had, besides what it shows; what is under way is waited for, not slept for.
const PROLOGUE = `set -eEo pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
curl() { command curl -w '%{stderr}status %{http_code} %{method} %{url_effective}\\n' "$@"; }
sleep() { command curl -s -o /dev/null "$SETTLED"; }
`

test(
  'what the README says to type does what it shows',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aurelius-readme-'))
    const port = await freePort()
    const world = await startWorld({ dataDir: join(dir, 'data'), port })
    const calm = await startCalm(world)
    try {
      symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'), 'junction')
      const here = (text: string) =>
        text
          .replaceAll(`127.0.0.1:${PORT + 1}`, new URL(world.mailbox?.url ?? '').host)
          .replaceAll(String(PORT), String(port))
      const steps = stepsOf(here(readFileSync(join(ROOT, 'README.md'), 'utf8')))
      const { stdout, stderr } = await bash(scriptOf(steps), dir, {
        SETTLED: calm.url,
        AT: world.url,
        CHAT_TS: join(ROOT, 'local/chat.ts'),
      })
      const [, ...outputs] = stdout.split(MARK)
      const statuses = [...stderr.matchAll(/^status (\d+) (\w+) /gm)].map(([, status, method]) => `${status} ${method}`)
      for (const [n, { code, shown }] of steps.entries()) {
        const said = outputs[n]?.trimEnd()
        if (said === undefined) throw new Error(`not reached: ${code[0]?.text}\n${stderr.slice(-2000)}`)
        if (shown !== undefined) expect(said, code[0]?.text).toMatch(patternOf(shown))
      }
      expect(statuses.filter((status) => status >= '400')).toEqual(REFUSED)
      expect(statuses.length).toBeGreaterThan(50)
      expect(stderr.match(/^failed: .*/gm)).toBeNull()
    } finally {
      calm.stop()
      await world.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  },
  TOUR_MS,
)

/** All that is to be typed against a server that runs, the talk in its chat too. */
function stepsOf(readme: string): Step[] {
  const groups = readme.matchAll(/(?:^```\w+\n.*?^```\n+)+/gms)
  return [...groups].flatMap(([group]) => {
    const blocks = [...group.matchAll(/^```(\w+)\n(.*?)^```\n/gms)].map(([, kind = '', text = '']) => ({ kind, text }))
    const shown = blocks.find(({ kind }) => kind === 'text')?.text.trimEnd()
    const [isChat, talk] = /^\$ npm run chat\n(.*)/s.exec(shown ?? '') ?? []
    if (isChat) return [{ code: [{ kind: 'chat', text: (talk?.match(/(?<=^> ).*\n/gm) ?? []).join('') }], shown: talk }]
    const code = blocks.filter(({ kind, text }) => kind !== 'text' && !/\bnpm (ci|start|run)\b/.test(text))
    return code.length === 0 ? [] : [{ code, shown }]
  })
}

function scriptOf(steps: Step[]): string {
  const typed = ({ kind, text }: Step['code'][number]) => {
    if (kind === 'chat') return `TZ=Europe/Berlin node "$CHAT_TS" --url "$AT" --data chat <<'END'\n${text}END\n`
    return kind === 'sh' ? text : `cat > try.mjs <<'END'\n${text}END\nexport API KEY KEYID TOKEN; node try.mjs\n`
  }
  return PROLOGUE + steps.map(({ code }) => `printf '${MARK}'\n${code.map(typed).join('')}`).join('')
}

/** What is shown with its days and ids left open; `…` stands for anything in a line, alone for any lines. */
function patternOf(shown: string): RegExp {
  const lines = shown.split('\n').map((line) => {
    if (line === '…') return ANY_LINES
    return line
      .split(
        /(…|\b[0-9a-f]{16}:\d+|\b[a-z]+_01\w+|2026-1[12]-\d\d(?:T[\d:.]+Z)?|\w{3} \d+ Nov\b|dur=[\d.]+|\d+ ms\b|\d+ tokens\b)/,
      )
      .map((part, n) => (n % 2 === 0 ? RegExp.escape(part) : openOf(part)))
      .join('')
  })
  return new RegExp(`^${lines.join('\\n').replaceAll(`${ANY_LINES}\\n`, ANY_LINES)}$`)
}

function openOf(part: string): string {
  if (part === '…') return '.*'
  if (part.startsWith('2026'))
    return part.includes('T') ? '\\d{4}-\\d\\d-\\d\\dT\\d\\d:00:00.000Z' : '\\d{4}-\\d\\d-\\d\\d'
  if (part.endsWith('Nov')) return '\\w{3} \\d+ \\w{3}'
  if (/ (ms|tokens)$/.test(part)) return `\\d+ ${part.split(' ')[1]}`
  if (part.startsWith('dur=')) return 'dur=[\\d.]+'
  return part.includes('_') ? `${part.split('_')[0]}_\\w+` : '[0-9a-f]{16}:\\d+'
}

async function bash(script: string, cwd: string, env: Record<string, string>) {
  const missing = NEEDED.filter((name) => spawnSync(name, ['--version']).error)
  if (missing.length > 0) throw new Error(`The README's tour is typed into a shell: ${missing} must be on the PATH`)
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter)
  const child = spawn('bash', [], { cwd, env: { ...process.env, PATH: path, ...env } })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk) => {
      said[name] += chunk
    })
  child.stdin.end(script)
  await once(child, 'close')
  return { ...said, stdout: said.stdout.replaceAll('\r', '') }
}

const UNDER_WAY = `select
  (select count(*) from outbox where dispatched_at is null)
  + (select count(*) from jobs where status = 'running' or (status = 'waiting' and available_at <= now()))
  + (select count(*) from email_messages where status in ('queued', 'sending'))
  + (select count(*) from workflow_runs where status in ('requested', 'running'))
  + (select count(*) from suggestions where status in ('approved', 'running')) as count`

/** Answers whoever asks as soon as nothing is under way. */
async function startCalm({ postgres }: World) {
  const server = createServer(async (_request, response) => {
    const deadline = performance.now() + SETTLED_MS
    for (;;) {
      await wait(100)
      const [row] = await postgres.query(UNDER_WAY)
      if (Number(row?.count) === 0) return response.end()
      if (performance.now() > deadline) return response.writeHead(504).end()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { url: `http://127.0.0.1:${port}`, stop: () => void server.close() }
}
