import type { ModelMessage, ModelRequest, ToolCall } from '../model.ts'
import { list, record, text } from './conversation.ts'
import type { FakeEvent } from './fake-calendar.ts'
import { callTool, type Fake, type FakeSeed, fakeTools, isRead, toolNames } from './fake-tools.ts'
import { offlineProvider } from './index.ts'

/** One sentence of the corpus, and what a person would want of it. */
export type Example = {
  id: string
  now: string
  timeZone: string
  locale?: string
  tasks?: Record<string, unknown>[]
  projects?: { id: string; name: string }[]
  memories?: { id: string; text: string }[]
  events?: FakeEvent[]
  effects?: FakeSeed['effects']
  declines?: boolean
  confirms?: boolean
  before?: string[]
  say: string
  expect: { tool: string; input: Record<string, unknown> }[] | { reply: string }
}

const MAX_STEPS = 8

function requestOf(example: Example, fake: Fake, messages: ModelMessage[]): ModelRequest {
  const person = {
    now: example.now,
    timeZone: example.timeZone,
    locale: example.locale ?? 'en',
    displayName: 'Max',
    projects: fake.projects,
    memories: fake.memories,
  }
  const tools = toolNames(example.events !== undefined).map((name) => ({ name, description: '', inputSchema: {} }))
  return { system: '', volatileSystem: '', messages, tools, maxOutputTokens: 1000, person }
}

async function step(request: ModelRequest): Promise<{ reply: string; calls: ToolCall[] }> {
  let reply = ''
  const calls: ToolCall[] = []
  for await (const event of offlineProvider().generate('offline-1', request, new AbortController().signal)) {
    if (event.type === 'text') reply += event.text
    if (event.type === 'tool_call') calls.push(event.call)
  }
  return { reply, calls }
}

/** Plays the whole conversation as the loop would; answers what the last utterance caused. */
export async function playExample(example: Example): Promise<{ calls: ToolCall[]; reply: string }> {
  const fake = fakeTools({
    now: example.now,
    timeZone: example.timeZone,
    tasks: example.tasks ?? [],
    projects: example.projects ?? [],
    memories: example.memories ?? [],
    events: example.events ?? [],
    effects: example.effects ?? [],
    declines: example.declines ?? false,
    confirms: example.confirms ?? false,
  })
  const messages: ModelMessage[] = []
  let calls: ToolCall[] = []
  let reply = ''
  for (const said of [...(example.before ?? []), example.say]) {
    messages.push({ role: 'user', at: example.now, parts: [{ type: 'text', text: said }] })
    calls = []
    for (let i = 0; i < MAX_STEPS; i++) {
      const out = await step(requestOf(example, fake, messages))
      reply = out.reply
      messages.push({
        role: 'assistant',
        parts: [...(out.reply ? [{ type: 'text' as const, text: out.reply }] : []), ...out.calls],
      })
      if (out.calls.length === 0) break
      calls.push(...out.calls)
      messages.push({ role: 'user', at: example.now, parts: out.calls.map((call) => callTool(fake, call)) })
    }
  }
  return { calls, reply }
}

/** A string between slashes is a pattern; an object asks for these keys at least. */
function matches(want: unknown, got: unknown): boolean {
  if (typeof want === 'string' && /^\/.*\/i?$/.test(want)) {
    return new RegExp(want.slice(1, want.lastIndexOf('/')), 'i').test(text(got))
  }
  if (Array.isArray(want))
    return Array.isArray(got) && want.length === got.length && want.every((w, i) => matches(w, list(got)[i]))
  if (typeof want !== 'object' || want === null) return want === got
  return Object.entries(record(want)).every(([key, value]) => matches(value, record(got)[key]))
}

/** A named day without an hour must not have been given one. */
function noHour(want: Record<string, unknown>, got: unknown): boolean {
  return ['due'].every((key) => {
    const moment = record(want[key])
    return !text(moment.date) || moment.time !== undefined || record(record(got)[key]).time === undefined
  })
}

/** What was wrong, or nothing. */
export function verdict(example: Example, calls: ToolCall[], reply: string): string | undefined {
  const did = `${calls.map((c) => `${c.name} ${JSON.stringify(c.input)}`).join(' | ')} → ${reply}`
  if (!reply.trim()) return `no reply: ${did}`
  const { expect } = example
  const writes = calls.filter((c) => !isRead(c.name))
  if (!Array.isArray(expect)) {
    if (writes.length > 0 && !example.declines) return `unasked: ${did}`
    return new RegExp(expect.reply, 'is').test(reply) ? undefined : `reply: ${did}`
  }
  const left = [...calls]
  for (const want of expect) {
    const at = left.findIndex(
      (c) => c.name === want.tool && matches(want.input, c.input) && noHour(want.input, c.input),
    )
    if (at < 0) return `missing ${want.tool} ${JSON.stringify(want.input)}: ${did}`
    left.splice(at, 1)
  }
  return left.some((c) => !isRead(c.name)) ? `unasked: ${did}` : undefined
}
