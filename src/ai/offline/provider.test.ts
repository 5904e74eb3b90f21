import { describe, expect, test } from 'vitest'
import { cpuMs } from '#test/cpu'
import type { ModelEvent, ModelMessage, ModelRequest, PersonFacts } from '../model.ts'
import { playExample } from './corpus-run.ts'
import { toolNames } from './fake-tools.ts'
import { offlineProvider } from './index.ts'

const NOW = '2026-11-24T15:00:00Z'
const said = (text: string): ModelMessage => ({ role: 'user', at: NOW, parts: [{ type: 'text', text }] })

function request(messages: ModelMessage[], more: Partial<ModelRequest> = {}): ModelRequest {
  return {
    system: 'system',
    volatileSystem: '',
    messages,
    tools: toolNames(true).map((name) => ({ name, description: '', inputSchema: {} })),
    maxOutputTokens: 1000,
    person: {
      now: NOW,
      timeZone: 'America/New_York',
      locale: 'en-US',
      displayName: 'Max',
      projects: [],
      memories: [],
    },
    ...more,
  }
}

async function eventsOf(asked: ModelRequest, signal = new AbortController().signal): Promise<ModelEvent[]> {
  const events: ModelEvent[] = []
  for await (const event of offlineProvider().generate('offline-1', asked, signal)) events.push(event)
  return events
}

const textOf = (events: ModelEvent[]) => events.map((e) => (e.type === 'text' ? e.text : '')).join('')
const callsOf = (events: ModelEvent[]) => events.flatMap((e) => (e.type === 'tool_call' ? [e.call] : []))
const example = (say: string) => ({ id: 'x', now: NOW, timeZone: 'America/New_York', say, expect: { reply: '' } })

describe('the stream', () => {
  test('is words in groups, then one end with what it took', async () => {
    const asked = request([said('help')])
    const events = await eventsOf(asked)
    expect(events.filter((e) => e.type === 'text').length).toBeGreaterThan(5)
    const end = events.at(-1)
    expect(events.filter((e) => e.type === 'end')).toHaveLength(1)
    expect(end).toMatchObject({ type: 'end', stop: 'done', model: 'offline-1', usage: { cacheReadTokens: 0 } })
    const { system, volatileSystem, messages } = asked
    const read = system + volatileSystem + messages.map(({ parts }) => JSON.stringify(parts)).join('')
    expect(end?.type === 'end' && end.usage.inputTokens).toBe(Math.ceil(read.length / 4))
    expect(end?.type === 'end' && end.usage.outputTokens).toBe(Math.ceil(textOf(events).length / 4))
  })

  test('stops at the length it was given', async () => {
    const events = await eventsOf(request([said('help')], { maxOutputTokens: 5 }))
    expect(textOf(events).length).toBeLessThanOrEqual(20)
    expect(textOf(events)).toMatch(/^I can add/)
    expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'length' })
  })

  test('ends when it is aborted', async () => {
    await expect(eventsOf(request([said('help')]), AbortSignal.abort())).rejects.toThrow()
  })

  test('independent requests go out together, each with an id of its own', async () => {
    const events = await eventsOf(request([said('remind me to call mom at 5 and what is due today?')]))
    const calls = callsOf(events)
    expect(calls.map((c) => c.name)).toEqual(['create_task', 'find_tasks'])
    expect(new Set(calls.map((c) => c.id)).size).toBe(2)
    expect(events.at(-1)).toMatchObject({ stop: 'tools' })
  })
})

describe('what it says', () => {
  test('is what the tools returned, not what was asked for', async () => {
    const [call] = callsOf(await eventsOf(request([said('buy milk')])))
    if (!call) throw new Error('no call was made')
    const result = (output: unknown, isError: boolean): ModelMessage[] => [
      said('buy milk'),
      { role: 'assistant', parts: [call] },
      { role: 'user', at: NOW, parts: [{ type: 'tool_result', callId: call.id, name: call.name, output, isError }] },
    ]
    const failed = result({ code: 'quota', detail: 'You have too many tasks' }, true)
    expect(textOf(await eventsOf(request(failed)))).toBe("I couldn't add “Buy milk”: You have too many tasks.")
    const renamed = result({ id: 'task_1', title: 'Buy oat milk' }, false)
    expect(textOf(await eventsOf(request(renamed)))).toBe('Added “Buy oat milk”.')
  })

  test('of a turn another model began, only its results', async () => {
    const parts = [{ type: 'tool_call' as const, id: 'a', name: 'complete_task', input: { id: 'task_1' } }]
    const output = { task: { id: 'task_1', title: 'Gym' }, next: null }
    const messages: ModelMessage[] = [
      said('buy milk'),
      { role: 'assistant', parts },
      {
        role: 'user',
        at: NOW,
        parts: [{ type: 'tool_result', callId: 'a', name: 'complete_task', output, isError: false }],
      },
    ]
    expect(textOf(await eventsOf(request(messages)))).toBe('Done: “Gym”.')
  })

  test('without the tool it says so and calls nothing', async () => {
    const events = await eventsOf(request([said('buy milk')], { tools: [] }))
    expect(callsOf(events)).toEqual([])
    expect(textOf(events)).toContain('not available')
  })

  test('to what it does not understand: so, and what it can do', async () => {
    const events = await eventsOf(request([said('colourless green ideas sleep')]))
    expect(callsOf(events)).toEqual([])
    expect(textOf(events)).toMatch(/didn't understand[\s\S]*add tasks/)
  })
})

describe('words that were heard before', () => {
  const person = { now: NOW, timeZone: 'UTC', locale: 'en-US', displayName: 'Max', memories: [] }
  const prj = { id: 'prj_1', name: 'Garden' }
  const ask = async (text: string, more: Partial<ModelRequest> & { facts?: Partial<PersonFacts> } = {}) => {
    const { facts, ...rest } = more
    const events = await eventsOf(request([said(text)], { person: { ...person, projects: [], ...facts }, ...rest }))
    return { calls: callsOf(events).map(({ name, input }) => ({ name, input })), text: textOf(events) }
  }
  const tool = (name: string, properties: object) => ({ name, description: '', inputSchema: { properties } })

  test.for([
    ['the time zone', 'call mom in 2 hours', { facts: { timeZone: 'Asia/Tokyo' } }],
    ['the name', 'hello', { facts: { displayName: 'Kim' } }],
    ['the projects', 'archive the garden project', { facts: { projects: [prj] } }],
    ['the time', 'call mom tomorrow', { messages: [{ ...said('call mom tomorrow'), at: '2026-11-27T15:00:00Z' }] }],
    ['the tools', 'call me Kim', { tools: [tool('remember', {}), tool('set_preferences', { timeZone: {} })] }],
    ['what went before', 'yes', { messages: [said('colourless green ideas sleep'), said('yes')] }],
  ] as const)('are read anew where %s is another', async ([, text, more]) => {
    const first = await ask(text)
    expect(await ask(text, more as Partial<ModelRequest>)).not.toEqual(first)
    expect(await ask(text)).toEqual(first)
  })
})

describe('a task that is to be deleted', () => {
  const tasks = [
    { id: 'task_1', title: 'Report' },
    { id: 'task_2', title: 'Milk' },
  ]

  test('is asked about, and deleted by the same call after a yes', async () => {
    const ask = await playExample({ ...example('delete the report'), tasks, confirms: true })
    expect(ask.reply).toMatch(/need your yes.*“Report”/)
    const yes = await playExample({ ...example('yes'), before: ['delete the report'], tasks, confirms: true })
    expect(yes.calls.map(({ name, input }) => ({ name, input }))).toEqual([
      { name: 'delete_task', input: { id: 'task_1' } },
    ])
    expect(yes.reply).toBe('Deleted “Report”.')
  })

  test('both, where two were asked about', async () => {
    const before = ['delete report and milk']
    const { calls } = await playExample({ ...example('yes please'), before, tasks, confirms: true })
    expect(calls.map((c) => c.name)).toEqual(['delete_task', 'delete_task'])
  })

  test('says of two which is done and which waits, where one was tapped', async () => {
    const at = NOW
    const calls = tasks.map(({ id }, i) => ({
      type: 'tool_call' as const,
      id: `c${i}`,
      name: 'delete_task',
      input: { id },
    }))
    const result = (callId: string, name: string, output: object, isError = false) => ({
      type: 'tool_result' as const,
      callId,
      name,
      output,
      isError,
    })
    const waits = { code: 'confirmation_required', detail: 'Ask' }
    const find = { type: 'tool_call' as const, id: 'f', name: 'find_tasks', input: {} }
    const messages: ModelMessage[] = [
      said('delete report and milk'),
      { role: 'assistant', parts: [find] },
      { role: 'user', at, parts: [result('f', 'find_tasks', { items: tasks, nextCursor: null })] },
      { role: 'assistant', parts: calls },
      { role: 'user', at, parts: calls.map(({ id }) => result(id, 'delete_task', waits, true)) },
      { role: 'assistant', parts: [{ type: 'text', text: 'Shall I?' }] },
      said('yes'),
      { role: 'assistant', parts: calls },
      {
        role: 'user',
        at,
        parts: [
          result('c0', 'delete_task', { id: 'task_1', title: 'Report' }),
          result('c1', 'delete_task', waits, true),
        ],
      },
    ]
    expect(textOf(await eventsOf(request(messages)))).toMatch(/^Deleted “Report”\. Not done yet: “Milk”\./)
  })

  test('stays after a no', async () => {
    const before = ['delete the report']
    const { calls, reply } = await playExample({ ...example('no'), before, tasks, confirms: true })
    expect(calls).toEqual([])
    expect(reply).toContain('left it as it is')
  })

  test('stays when the person declines', async () => {
    const { reply } = await playExample({ ...example('delete the report'), tasks, declines: true })
    expect(reply).toContain('nothing was deleted')
  })
})

const SEEDS = [
  'a',
  '1',
  ' ',
  'and ',
  'remind me to ',
  'to ',
  'friday ',
  'call mom and ',
  '(',
  'at 5 ',
  '😀',
  '\n',
  '- x\n',
  "' ",
  'delete x and ',
  'move x to ',
  'every friday and ',
  '1-2 ',
  'the 1st ',
  'in 5 min ',
  'call a, ',
  '! ',
  'what is x to y ',
  'add a to b ',
  'x is y ',
  'i mean 5 ',
  'not on x, is on ',
  'due due ',
  'x -> ',
  'half past quarter to ',
  'a:b ',
  'https://a.b/c?d=e&',
  '12/12/',
  '"',
  'aaaa-',
  'no ',
  '\ud800',
]
const OPENINGS = ['', 'remind me to ', 'move ', 'what is due ', 'add ', 'rename ', 'forget ', 'im in ', 'quiet hours ']

test('no text of 100 kB takes 50 ms of the processor', async () => {
  await eventsOf(request([said('remind me to call mom tomorrow at 9 and buy milk')]))
  const slow: string[] = []
  for (const opening of OPENINGS) {
    for (const seed of SEEDS) {
      const messages = [said(opening + seed.repeat(Math.ceil(100_000 / seed.length)))]
      let best = Number.POSITIVE_INFINITY
      for (let tries = 0; tries < 3 && best >= 50; tries++) {
        const from = cpuMs()
        await eventsOf(request(messages))
        best = Math.min(best, cpuMs() - from)
      }
      if (best >= 50) slow.push(`${opening}${seed}: ${best.toFixed(0)} ms`)
    }
  }
  expect(slow).toEqual([])
})
