import { afterAll, beforeAll, expect, test } from 'vitest'
import { FAULTS, type Fault, startSwitchedServer } from './provider-faults.ts'
import { type Person, startWorld, type World } from './world.ts'

// A refusal is tried again twice, each after a wait of two seconds at most.
const MOST_MS = 12_000
const PERSONS_ANSWER = 'Hi'
const OTHERS = ['openai-compatible', 'workers-ai'] as const

/** The same build with waits a test has time for, and a breaker that lets each fault be seen. */
const CHANGES = [
  { file: 'src/ai/attempt.ts', find: '=> DEADLINES[provider]', replace: '=> DEADLINES[provider] && SHORT' },
  {
    file: 'src/ai/attempt.ts',
    find: 'const GRACE_MS',
    replace: 'const SHORT = { connectMs: 600, firstMs: 600, idleMs: 600 }\nconst GRACE_MS',
  },
  { file: 'src/ai/embeddings-http.ts', find: 'TIMEOUT_MS = 10_000', replace: 'TIMEOUT_MS = 600' },
  { file: 'src/ai/breaker.ts', find: 'const FAILURES = 5', replace: 'const FAILURES = 1_000_000' },
]

let models: Awaited<ReturnType<typeof startSwitchedServer>>
let base: World
let systems: { provider: string; url: string; endpoints: Record<string, () => Promise<Asked>> }[]
let person: Person
const started: { stop(): Promise<void> }[] = []
beforeAll(async () => {
  models = await startSwitchedServer()
  const claude = models.chat('anthropic')
  const vars = { ...claude.vars, ...models.embeddings, AI_PLAN: 'max' }
  base = await startWorld({ vars, changes: [...CHANGES, models.change] })
  systems = [{ provider: 'anthropic', url: base.url, endpoints: endpointsOf(base, claude.model) }]
  for (const provider of OTHERS) {
    const other = models.chat(provider)
    const world = await base.sabotaged([], other.vars)
    started.push(world)
    const { embeddings: _, ...endpoints } = endpointsOf(world, other.model)
    systems.push({ provider, url: world.url, endpoints })
  }
}, 90_000)
afterAll(async () => {
  for (const { stop } of started) await stop()
  await base.stop()
  await models.stop()
})

type Asked = { path: string; body: object; accept?: string }

/** Every kind of endpoint behind which a model is asked. */
function endpointsOf({ call }: World, model: string) {
  const messages = [{ role: 'user', content: 'hello' }]
  const turn = async (accept: string): Promise<Asked> => {
    const { text } = await call('POST', '/v1/conversations', { body: {}, token: person.accessToken })
    return { path: `/v1/conversations/${JSON.parse(text).id}/messages`, body: { text: 'hello' }, accept }
  }
  const compat = async (path: string, body: object): Promise<Asked> => ({ path: `/compat/${path}`, body })
  return {
    'turn, whole': () => turn('application/json'),
    'turn, stream': () => turn('text/event-stream'),
    'openai, whole': () => compat('openai/v1/chat/completions', { model, messages }),
    'openai, stream': () => compat('openai/v1/chat/completions', { model, messages, stream: true }),
    'responses, stream': () => compat('openai/v1/responses', { model, input: 'hello', stream: true }),
    'anthropic, whole': () => compat('anthropic/v1/messages', { model, max_tokens: 99, messages }),
    'anthropic, stream': () => compat('anthropic/v1/messages', { model, max_tokens: 99, messages, stream: true }),
    embeddings: () => compat('openai/v1/embeddings', { model: 'e', input: 'hello' }),
  }
}

async function ask(url: string, { path, body, accept = 'application/json' }: Asked) {
  const startedMs = performance.now()
  const response = await fetch(url + path, {
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

/** The same of every endpoint of every system. */
const askAll = async () =>
  await Promise.all(
    systems.flatMap(({ provider, url, endpoints }) =>
      Object.entries(endpoints).map(async ([name, asked]) => ({ provider, name, ...(await ask(url, await asked())) })),
    ),
  )

test('whatever is wrong with a model, every endpoint that asks it answers in time, says what it was, and works when it is mended', async () => {
  const rows: Record<string, string | number>[] = []
  // Last what names a time to wait: the model is left alone for it.
  const waits: Fault = '429 with retry-after'
  const faults = [...(Object.keys(FAULTS) as Fault[]).filter((fault) => fault !== waits), waits]
  for (const fault of faults) {
    // What breaks is charged in full: a day's budget is not for all of them.
    person = await base.person()
    models.set(fault)
    const answers = await askAll()
    for (const { provider } of systems) {
      const row: Record<string, string | number> = { fault, provider, 'slowest ms': 0 }
      for (const { name, status, text, ms } of answers.filter((answer) => answer.provider === provider)) {
        row[name] = `${status} ${TYPED.exec(text)?.[0].split('"')[3] ?? '-'}`
        row['slowest ms'] = Math.max(Number(row['slowest ms']), Math.round(ms))
        const cell = `${fault}, ${provider}, ${name}: ${status} ${text.slice(-300)}`
        expect(ms, cell).toBeLessThan(MOST_MS)
        expect(status === 200 ? name.endsWith('stream') : [502, 503, 504, 529].includes(status), cell).toBe(true)
        expect(text, cell).toMatch(TYPED)
        expect(text, cell).not.toMatch(ENDED)
      }
      rows.push(row)
    }
    if (fault === waits) break
    models.set(null)
    for (const { provider, status, text } of await askAll()) {
      expect([provider, status, text]).toEqual([provider, 200, text])
      if (!text.includes('embedding')) expect(text).toContain(PERSONS_ANSWER)
    }
  }
  console.table(rows)
}, 180_000)
