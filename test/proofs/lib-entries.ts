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

/** Every way there is; whoever opens another adds it here. */
export const ENTRIES: Entry[] = [
  { name: 'a turn as a stream', ask: askStream },
  { name: 'a turn as JSON', ask: askWhole },
]

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
  const [, detail = ''] = /"detail":"([^"]*)"/.exec(told) ?? []
  return { status, code, retryAfter: headers.get('retry-after'), detail }
}
