import { setTimeout as wait } from 'node:timers/promises'
import type { Person, World } from '../world.ts'
import type { Chance } from './chance.ts'
import { need } from './lib-kinds.ts'

export type Client = { world: World; person: Person; chance: Chance }
/** What a client was told; status 0: it left before it was told anything. */
export type Said = { status: number; code: string; retryAfter: string | null; detail: string }
/** A way to have a model called. `ask` goes through it once, as a client that may leave at any moment. */
export type Entry = { name: string; ask(client: Client, text: string): Promise<Said> }

const LEAVES = 0.5
const CANCELS = 0.8
const MAX_BYTES = 6000
const MAX_MS = 300
const IN_PROGRESS = new Set(['idempotency_in_progress', 'turn_running'])
const GONE: Said = { status: 0, code: '', retryAfter: null, detail: '' }

// A model by its name, and the assistant itself.
const NAMES = ['claude-sonnet-5-5', 'aurelius']
const MAX_TOKENS = 2048

/** How each protocol asks. */
const COMPAT: Record<string, (model: string, text: string, tokens: number) => object> = {
  '/compat/openai/v1/chat/completions': (model, content, tokens) => {
    return { model, max_completion_tokens: tokens, messages: [{ role: 'user', content }] }
  },
  '/compat/openai/v1/responses': (model, input, tokens) => ({ model, max_output_tokens: tokens, input }),
  '/compat/anthropic/v1/messages': (model, content, tokens) => {
    return { model, max_tokens: tokens, messages: [{ role: 'user', content }] }
  },
}

/** Every way there is to have a model called; whoever opens another adds it here. */
export const ENTRIES: Entry[] = [
  { name: 'a turn as a stream', ask: askStream },
  { name: 'a turn as JSON', ask: askWhole },
  ...Object.keys(COMPAT).flatMap((path) =>
    NAMES.flatMap((model) =>
      [true, false].map((stream) => ({
        name: `${path} for ${model}, ${stream ? 'as a stream' : 'whole'}`,
        ask: (client: Client, text: string) => askCompat(client, text, { path, model, stream }),
      })),
    ),
  ),
  { name: '/compat/openai/v1/embeddings', ask: (client, text) => askUpload(client, embeddingOf(client.chance, text)) },
  {
    name: '/compat/openai/v1/audio/transcriptions',
    ask: (client, text) => askUpload(client, recordingOf(client.chance, text)),
  },
  { name: 'the analysis of a run', ask: askRun },
  { name: 'a scheduled question', ask: askScheduled },
  // Where nothing is left for a model, rules answer.
  { name: '/v1/workflows/draft', ask: (client, text) => askUpload(client, draftOf(text)) },
]

/**
 * A host's whole session at `/mcp`: everything that is listed there, and every tool that is. No tool calls a model, so
 * that it is no entry: the ledger must not know of it.
 */
export async function mcpSession({ world, person }: Omit<Client, 'chance'>): Promise<number> {
  const rpc = async (method: string, params: object = {}) => {
    const body = { jsonrpc: '2.0', id: 1, method, params }
    const { status, text } = await world.call('POST', '/mcp', { token: person.accessToken, body })
    if (status !== 200) throw new Error(`${method} is answered ${status} at /mcp`)
    return JSON.parse(text).result
  }
  const clientInfo = { name: 'proof', version: '1' }
  await rpc('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo })
  const { tools }: { tools: { name: string }[] } = await rpc('tools/list')
  const known: Record<string, object> = {
    create_task: { title: 'Case in hand' },
    find_tasks: {},
    remember: { text: 'Prefers the window seat' },
  }
  for (const name of Object.keys(known)) {
    const result = await rpc('tools/call', { name, arguments: known[name] })
    if (result.isError) throw new Error(`${name} did not work: ${result.content[0].text}`)
  }
  for (const { name } of tools) if (!known[name]) await rpc('tools/call', { name, arguments: {} })
  const { resources }: { resources: { uri: string }[] } = await rpc('resources/list')
  await rpc('resources/templates/list')
  for (const { uri } of resources) await rpc('resources/read', { uri })
  return tools.length
}

/** Opens a conversation; answers how to say this in it, each time as the same request. */
async function opened({ world, person }: Client, text: string, headers: Record<string, string> = {}) {
  const { id } = await need(person, 'POST', '/v1/conversations', {})
  const key = { 'idempotency-key': text, authorization: `Bearer ${person.accessToken}` }
  const body = JSON.stringify({ text })
  return (signal: AbortSignal | null = null) =>
    fetch(`${world.url}/v1/conversations/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...key, ...headers },
      body,
      signal,
    })
}

async function askStream(client: Client, text: string): Promise<Said> {
  const { chance, person } = client
  const leaveAt = chance.next() < LEAVES ? chance.int(MAX_BYTES) : undefined
  const cancels = chance.next() < CANCELS
  const send = await opened(client, text, { accept: 'text/event-stream' })
  const response = await send()
  const { told, isLeft } = await readTo(response, leaveAt)
  const [turnId] = /turn_[0-9a-z]{26}/.exec(told) ?? []
  if (isLeft && cancels && turnId) await need(person, 'POST', `/v1/turns/${turnId}/cancel`)
  return isLeft ? GONE : saidOf(response, told)
}

/** Reads until it has this many bytes, wherever in a character, an event or a chunk that is. */
async function readTo(
  response: Response,
  bytes = Number.POSITIVE_INFINITY,
): Promise<{ told: string; isLeft: boolean }> {
  const decoder = new TextDecoder()
  let [told, left] = ['', bytes]
  const reader = response.body?.getReader()
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
    if (done || !value) return { told, isLeft: false }
    told += decoder.decode(value.subarray(0, left), { stream: true })
    left -= value.length
    if (left > 0) continue
    await reader?.cancel()
    return { told, isLeft: true }
  }
}

type Compat = { path: string; model: string; stream: boolean }

/** A client of another protocol: who leaves it ends the call. */
async function askCompat({ world, person, chance }: Client, text: string, { path, model, stream }: Compat) {
  const leaves = chance.next() < LEAVES
  const tokens = 1 + chance.int(MAX_TOKENS)
  try {
    const response = await fetch(world.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${person.accessToken}` },
      body: JSON.stringify({ ...COMPAT[path]?.(model, text, tokens), stream }),
      signal: leaves && !stream ? AbortSignal.timeout(chance.int(MAX_MS)) : null,
    })
    const { told, isLeft } = await readTo(response, leaves && stream ? chance.int(MAX_BYTES) : undefined)
    const said = saidOf(response, told)
    // Each protocol has another word for it; no other limit is reached here.
    return isLeft ? GONE : { ...said, code: said.status === 429 ? 'budget_exhausted' : said.code }
  } catch (error) {
    if (leaves && !stream) return GONE
    throw error
  }
}

type Upload = { path: string; body: string | FormData; headers?: Record<string, string> }

const MOST_WORDS = 20
const MOST_BYTES = 5000

function embeddingOf(chance: Chance, text: string): Upload {
  const input = `${text} ${'word '.repeat(chance.int(MOST_WORDS))}`
  const body = JSON.stringify({ model: 'embedder', input })
  return { path: '/compat/openai/v1/embeddings', body, headers: JSON_TYPE }
}

const JSON_TYPE = { 'content-type': 'application/json' }

const draftOf = (text: string): Upload => ({
  path: '/v1/workflows/draft',
  body: JSON.stringify({ text: `every day at 8 tell me of ${text}` }),
  headers: JSON_TYPE,
})

function recordingOf(chance: Chance, text: string): Upload {
  const body = new FormData()
  body.set('model', 'hearer')
  body.set('file', new Blob([text.padEnd(chance.int(MOST_BYTES), '.')], { type: 'audio/ogg' }), 'audio.ogg')
  return { path: '/compat/openai/v1/audio/transcriptions', body }
}

/** What is answered whole, or left before it is. */
async function askUpload({ world, person, chance }: Client, { path, body, headers }: Upload): Promise<Said> {
  const leaves = chance.next() < LEAVES
  try {
    const response = await fetch(world.url + path, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${person.accessToken}` },
      body,
      signal: leaves ? AbortSignal.timeout(chance.int(MAX_MS)) : null,
    })
    const said = saidOf(response, await response.text())
    return { ...said, code: said.status === 429 ? 'budget_exhausted' : said.code }
  } catch (error) {
    if (leaves) return GONE
    throw error
  }
}

const ENDS_WITHIN_MS = 120_000

/** What is there once it is over. */
async function over<T>(person: Person, path: string, find: (found: ReturnType<typeof JSON.parse>) => T | undefined) {
  const untilMs = Date.now() + ENDS_WITHIN_MS
  for (;;) {
    const found = find(JSON.parse((await person.api('GET', path)).text))
    if (found !== undefined) return found
    if (Date.now() > untilMs) throw new Error(`${path} does not end`)
    await wait(MAX_MS)
  }
}

const DONE: Said = { status: 200, code: '', retryAfter: null, detail: '' }
const spent = (detail: string): Said => ({ status: 429, code: 'budget_exhausted', retryAfter: '1', detail })

/** A workflow that has a model look at the facts: its person asks for a run, and comes back when it is over. */
async function askRun({ person }: Client, text: string): Promise<Said> {
  await need(person, 'POST', '/v1/tasks', { title: text })
  const definition = {
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', suggestion: null },
    gather: [{ name: 'tasks', source: 'tasks', query: { limit: 5 } }],
    analysis: { kind: 'model', ask: `What of ${text}?`, maxFindings: 3 },
    actions: [{ id: 'one', do: 'create_task', input: { title: 'x' } }],
  }
  const { id } = await need(person, 'POST', '/v1/workflows', { name: text, definition })
  const asked = await person.api('POST', `/v1/workflows/${id}/run`, { body: {} })
  const { runId } = JSON.parse(asked.text)
  const run = await over(person, `/v1/runs/${runId}`, ({ run }) => (run.endedAt === null ? undefined : run))
  // A run that nothing was left for says so; until when, the budget does.
  return run.reason === 'budget' ? spent('resets at') : DONE
}

/** A question that is asked when it is due: it is, at once. */
async function askScheduled({ person }: Client, text: string): Promise<Said> {
  const when = { kind: 'cron', cron: '0 9 * * MON' }
  const action = { kind: 'ask_assistant', text }
  const { id } = await need(person, 'POST', '/v1/schedules', { name: text, when, action })
  await need(person, 'POST', `/v1/schedules/${id}/run`)
  const { outcome } = await over(person, `/v1/schedules/${id}/executions`, ({ items: [run] }) =>
    run && run.status !== 'waiting' ? run : undefined,
  )
  return outcome.code === 'budget_exhausted' ? spent(outcome.detail) : DONE
}

/** Whoever leaves asks again under the same key: it is the same turn, or its first request still runs. */
async function askWhole(client: Client, text: string): Promise<Said> {
  const { chance } = client
  const leaves = chance.next() < LEAVES
  const send = await opened(client, text)
  try {
    const response = await send(leaves ? AbortSignal.timeout(chance.int(MAX_MS)) : null)
    return saidOf(response, await response.text())
  } catch {
    await wait(chance.int(MAX_MS))
    const response = await send()
    const said = saidOf(response, await response.text())
    return IN_PROGRESS.has(said.code) ? GONE : said
  }
}

function saidOf({ status, headers }: Response, told: string): Said {
  const [, code = ''] = /"(?:code|errorCode)":"(\w+)"/.exec(told) ?? []
  const [, detail = ''] = /"(?:detail|message)":"([^"]*)"/.exec(told) ?? []
  return { status, code, retryAfter: headers.get('retry-after'), detail }
}
