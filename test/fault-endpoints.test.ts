import { afterAll, beforeAll, expect, test } from 'vitest'
import { FAULTS, type Fault, startSwitchedServer } from './provider-faults.ts'
import { type Person, startWorld, type World } from './world.ts'

const MODEL = 'claude-opus-5-5'
// A refusal is tried again twice, each after a wait of two seconds at most.
const MOST_MS = 12_000
const PERSONS_ANSWER = 'Hi'

/** The same build with waits a test has time for, and a breaker that lets each fault be seen. */
const CHANGES = [
  {
    file: 'src/ai/attempt.ts',
    find: 'anthropic: { connectMs: 20_000, firstMs: 60_000, idleMs: 90_000 }',
    replace: 'anthropic: { connectMs: 600, firstMs: 600, idleMs: 600 }',
  },
  { file: 'src/ai/embeddings-http.ts', find: 'TIMEOUT_MS = 10_000', replace: 'TIMEOUT_MS = 600' },
  { file: 'src/ai/breaker.ts', find: 'const FAILURES = 5', replace: 'const FAILURES = 1_000_000' },
]

let claude: Awaited<ReturnType<typeof startSwitchedServer>>
let world: World
let person: Person
beforeAll(async () => {
  claude = await startSwitchedServer()
  world = await startWorld({ vars: { ...claude.vars, AI_PLAN: 'max' }, changes: CHANGES })
}, 90_000)
afterAll(async () => {
  await world.stop()
  await claude.stop()
})

type Asked = { path: string; body: object; accept?: string }
const said = [{ role: 'user', content: 'hello' }]
const turn = async (accept: string): Promise<Asked> => {
  const { id } = JSON.parse((await person.api('POST', '/v1/conversations', { body: {} })).text)
  return { path: `/v1/conversations/${id}/messages`, body: { text: 'hello' }, accept }
}
const compat = async (path: string, body: object): Promise<Asked> => ({ path: `/compat/${path}`, body })

/** Every kind of endpoint behind which a model is asked. */
const ENDPOINTS: Record<string, () => Promise<Asked>> = {
  'turn, whole': () => turn('application/json'),
  'turn, stream': () => turn('text/event-stream'),
  'openai, whole': () => compat('openai/v1/chat/completions', { model: MODEL, messages: said }),
  'openai, stream': () => compat('openai/v1/chat/completions', { model: MODEL, messages: said, stream: true }),
  'responses, stream': () => compat('openai/v1/responses', { model: MODEL, input: 'hello', stream: true }),
  'anthropic, whole': () => compat('anthropic/v1/messages', { model: MODEL, max_tokens: 99, messages: said }),
  'anthropic, stream': () =>
    compat('anthropic/v1/messages', { model: MODEL, max_tokens: 99, messages: said, stream: true }),
  embeddings: () => compat('openai/v1/embeddings', { model: 'e', input: 'hello' }),
}

async function ask({ path, body, accept = 'application/json' }: Asked) {
  const startedMs = performance.now()
  const response = await fetch(world.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${person.accessToken}`, accept },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(MOST_MS * 2),
  })
  const text = await response.text()
  return { status: response.status, text, ms: performance.now() - startedMs }
}

// A code of ours, or a protocol's own word for it.
const TYPED =
  /"(?:code|errorCode|type)":"(?:model_failed|model_overloaded|timeout|overloaded|overloaded_error|api_error|timeout_error|server_error)"/
const ENDED = /"finish_reason":"stop"|"type":"message_stop"|"type":"response\.completed"|"turnId":"\w+","status":"done"/

test('whatever is wrong with a model, every endpoint that asks it answers in time, says what it was, and works when it is mended', async () => {
  const rows: Record<string, string | number>[] = []
  // Last what names a time to wait: the model is left alone for it.
  const waits: Fault = '429 with retry-after'
  const faults = [...(Object.keys(FAULTS) as Fault[]).filter((fault) => fault !== waits), waits]
  for (const fault of faults) {
    // What breaks is charged in full: a day's budget is not for all of them.
    person = await world.person()
    claude.set(fault)
    const answers = await Promise.all(
      Object.entries(ENDPOINTS).map(async ([name, asked]) => ({ name, ...(await ask(await asked())) })),
    )
    const row: Record<string, string | number> = { fault }
    for (const { name, status, text, ms } of answers) {
      row[name] = `${status} ${TYPED.exec(text)?.[0].split('"')[3] ?? '-'}`
      row['slowest ms'] = Math.max(Number(row['slowest ms'] ?? 0), Math.round(ms))
      const cell = `${fault}, ${name}: ${status} ${text.slice(-300)}`
      expect(ms, cell).toBeLessThan(MOST_MS)
      expect(status === 200 ? name.endsWith('stream') : [502, 503, 504, 529].includes(status), cell).toBe(true)
      expect(text, cell).toMatch(TYPED)
      expect(text, cell).not.toMatch(ENDED)
    }
    rows.push(row)
    if (fault === waits) break
    claude.set(null)
    const healed = await Promise.all(Object.values(ENDPOINTS).map(async (asked) => await ask(await asked())))
    for (const { status, text } of healed) {
      expect([status, text]).toEqual([200, text])
      if (!text.includes('embedding')) expect(text).toContain(PERSONS_ANSWER)
    }
  }
  console.table(rows)
}, 180_000)
