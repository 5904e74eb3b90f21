import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import {
  append,
  eventFrame,
  eventSse,
  firstKept,
  LOG_MIGRATIONS,
  MAX_DATA_CHARS,
  MAX_REPLAY_EVENTS,
  oldestOffset,
  position,
  prune,
  RETENTION,
  readPosition,
  recover,
  replay,
} from './log.ts'
import { ServerMessage } from './protocol.ts'
import { openTail, type Tail, type TailOptions } from './tail.ts'

const T0 = Date.UTC(2026, 10, 23, 9)
const MINUTE = 60_000

/** The SQL of a Durable Object over SQLite in memory: the same engine. */
function makeLog(): SqlStorage {
  const database = new DatabaseSync(':memory:')
  for (const { sql } of LOG_MIGRATIONS) database.exec(sql)
  const exec = (query: string, ...bindings: (string | number | null)[]) => {
    const rows = database.prepare(query).all(...bindings)
    return { toArray: () => rows, one: () => rows[0], [Symbol.iterator]: () => rows[Symbol.iterator]() }
  }
  return { exec } as unknown as SqlStorage
}

function say(log: SqlStorage, id: string, topic = 'tasks', nowMs = T0, data: unknown = { id }) {
  const appended = append(log, { id, topic, event: 'task.updated', data }, nowMs)
  return appended.isNew ? appended.event.offset : -appended.offset
}

/** As a room does it. */
function tell(log: SqlStorage, tail: Tail, id: string, topic = 'tasks'): void {
  const appended = append(log, { id, topic, event: 'task.updated', data: { id } }, T0)
  if (appended.isNew && topic === tail.topic) tail.wake(appended.event)
}

function fill(log: SqlStorage, count: number, nowMs: number, from = 0): void {
  for (let i = 0; i < count; i++) say(log, `e${from + i}`, 'tasks', nowMs)
}

describe('appending', () => {
  it('numbers events in order, without a gap where one came twice', () => {
    const log = makeLog()
    expect([say(log, 'a'), say(log, 'b'), say(log, 'a'), say(log, 'a'), say(log, 'c')]).toEqual([1, 2, -1, -1, 3])
    expect(replay(log, 0, ['tasks']).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  })

  it('keeps the data as it was said, and leaves out what is too large to push', () => {
    const log = makeLog()
    say(log, 'a', 'tasks', T0, { title: 'Grüße\n"x"', version: 3 })
    say(log, 'b', 'tasks', T0, null)
    say(log, 'c', 'tasks', T0, 'x'.repeat(MAX_DATA_CHARS))
    const messages = replay(log, 0, ['tasks']).map((event) => ServerMessage.parse(JSON.parse(eventFrame(event))))
    const common = { type: 'event', topic: 'tasks', event: 'task.updated', at: '2026-11-23T09:00:00.000Z' }
    expect(messages).toEqual([
      { ...common, offset: 1, id: 'a', data: { title: 'Grüße\n"x"', version: 3 } },
      { ...common, offset: 2, id: 'b', data: null },
      { ...common, offset: 3, id: 'c', data: null, omitted: true },
    ])
  })

  it('frames a server-sent event that no text can break', () => {
    const log = makeLog()
    say(log, 'a', 'me', T0, { text: 'one\n\nevent: two\r\n' })
    const [event] = replay(log, 0, ['me'])
    const sse = event && eventSse('e'.repeat(16), event)
    expect(sse).toBe(`id: ${'e'.repeat(16)}:1\nevent: task.updated\ndata: {"text":"one\\n\\nevent: two\\r\\n"}\n\n`)
    expect(readPosition(`${'e'.repeat(16)}:1`)).toEqual({ epoch: 'e'.repeat(16), offset: 1 })
    for (const bad of ['', '1', 'e:1', `${'e'.repeat(16)}:`, `${'e'.repeat(16)}:-1`])
      expect(readPosition(bad)).toBe(null)
  })
})

describe('recovering', () => {
  it('tells what the asked topics said since, and nothing of others', () => {
    const log = makeLog()
    for (const [id, topic] of [
      ['a', 'tasks'],
      ['b', 'me'],
      ['c', 'tasks'],
      ['d', 'notifications'],
    ] as const)
      say(log, id, topic)
    const { epoch } = position(log)
    const recovery = recover(log, { epoch, offset: 1 }, ['tasks', 'me'])
    expect(recovery.recovered && recovery.events.map(({ id }) => id)).toEqual(['b', 'c'])
    expect(recover(log, { epoch, offset: 4 }, ['tasks'])).toEqual({ recovered: true, events: [] })
  })

  it('says what to read instead for another epoch, an offset not given yet, or none', () => {
    const log = makeLog()
    say(log, 'a')
    const { epoch } = position(log)
    const conversation = 'conversation:cnv_01jd6w3k9q0123456789abcdef'
    const snapshot = [
      { topic: 'tasks', path: '/v1/tasks' },
      { topic: conversation, path: '/v1/conversations/cnv_01jd6w3k9q0123456789abcdef' },
    ]
    for (const from of [{ epoch: '0'.repeat(16), offset: 1 }, { epoch, offset: 2 }, null]) {
      expect(recover(log, from, ['tasks', conversation, 'presence'])).toEqual({ recovered: false, snapshot })
    }
    expect(position(makeLog()).epoch).not.toBe(epoch)
  })

  it('does not replay more than reading anew would cost', () => {
    const log = makeLog()
    fill(log, MAX_REPLAY_EVENTS + 1, T0)
    const { epoch } = position(log)
    expect(recover(log, { epoch, offset: 0 }, ['tasks']).recovered).toBe(false)
    expect(recover(log, { epoch, offset: 1 }, ['tasks']).recovered).toBe(true)
    expect(recover(log, { epoch, offset: 0 }, ['me']).recovered).toBe(true)
    for (let i = 0; i < 20; i++) say(log, `long ${i}`, 'memories', T0, 'x'.repeat(60_000))
    expect(recover(log, { epoch, offset: 1 }, ['memories']).recovered).toBe(false)
  })
})

describe('retention', () => {
  it('is at least ten minutes and at least 500 events, at most 20,000 and a week', () => {
    const { minEvents, maxEvents } = RETENTION
    expect([RETENTION.minMs, minEvents, maxEvents]).toEqual([10 * MINUTE, 500, 20_000])
    expect(firstKept({ last: 400, firstRecent: 401, firstAllowed: 1 })).toBe(1)
    expect(firstKept({ last: 1000, firstRecent: 1001, firstAllowed: 1 })).toBe(501)
    expect(firstKept({ last: 1000, firstRecent: 300, firstAllowed: 1 })).toBe(300)
    expect(firstKept({ last: 50_000, firstRecent: 2, firstAllowed: 1 })).toBe(30_001)
    expect(firstKept({ last: 1000, firstRecent: 1001, firstAllowed: 900 })).toBe(900)
    expect(firstKept({ last: 1000, firstRecent: 1001, firstAllowed: 1001 })).toBe(1001)
  })

  it('keeps the young whatever their number, then the newest 500', () => {
    const log = makeLog()
    fill(log, 800, T0)
    prune(log, T0 + 9 * MINUTE)
    expect(oldestOffset(log)).toBe(1)
    prune(log, T0 + 11 * MINUTE)
    expect([oldestOffset(log), position(log).offset]).toEqual([301, 800])
    prune(log, T0 + 6 * 24 * 60 * MINUTE)
    expect(oldestOffset(log)).toBe(301)
  })

  it('never keeps more than 20,000', () => {
    const log = makeLog()
    fill(log, 20_300, T0)
    prune(log, T0)
    expect([oldestOffset(log), position(log).offset]).toEqual([301, 20_300])
  })

  it('knows what it has forgotten, also when nothing is left', () => {
    const log = makeLog()
    fill(log, 600, T0)
    prune(log, T0 + 11 * MINUTE)
    const { epoch } = position(log)
    expect(recover(log, { epoch, offset: 99 }, ['tasks']).recovered).toBe(false)
    const edge = recover(log, { epoch, offset: 100 }, ['tasks'])
    expect(edge.recovered && edge.events.length).toBe(500)
    prune(log, T0 + 8 * 24 * 60 * MINUTE)
    expect([oldestOffset(log), position(log).offset]).toEqual([601, 600])
    expect(recover(log, { epoch, offset: 599 }, ['tasks']).recovered).toBe(false)
    expect(recover(log, { epoch, offset: 600 }, ['tasks']).recovered).toBe(true)
    expect(say(log, 'next')).toBe(601)
  })
})

describe('a tail', () => {
  function tailOf(log: SqlStorage, over: Partial<TailOptions> = {}) {
    const closed: unknown[] = []
    let beat = () => {}
    const { stream, tail } = openTail(log, {
      topic: 'tasks',
      after: `${position(log).epoch}:0`,
      sessionId: null,
      openedMs: T0,
      until: [],
      wait: (_ms, signal) =>
        new Promise<void>((resolve, reject) => {
          beat = resolve
          signal.addEventListener('abort', () => reject(new Error('aborted')))
        }),
      onClose: (over) => closed.push(over),
      ...over,
    })
    const reader = stream.getReader()
    const decoder = new TextDecoder()
    const read = async () => {
      const { value, done } = await reader.read()
      return done ? null : decoder.decode(value)
    }
    const ids = async () => (await read())?.match(/(?<=^id: \w+:)\d+/gm)?.map(Number)
    return { tail, reader, read, ids, closed, beat: () => beat() }
  }

  it('holds nothing for a reader that does not read, and gives it all when it does', async () => {
    const log = makeLog()
    const { tail, ids } = tailOf(log)
    expect(await ids()).toBe(undefined)
    for (let i = 0; i < 250; i++) tell(log, tail, `e${i}`)
    const seen: number[] = []
    while (seen.length < 250) seen.push(...((await ids()) ?? []))
    expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => i + 1))
  })

  it('lets a quiet stream be seen to live', async () => {
    const log = makeLog()
    const { read, beat, tail } = tailOf(log)
    expect(await read()).toBe('retry: 1000\n\n')
    const quiet = read()
    await new Promise(setImmediate)
    beat()
    expect(await quiet).toBe(': still here\n\n')
    const next = read()
    tell(log, tail, 'a', 'me')
    tell(log, tail, 'b')
    expect(await next).toContain(':2\n')
  })

  it('tells a reader who keeps up without asking the log, and does not lose their place while others are told', async () => {
    const log = makeLog()
    const { tail, ids } = tailOf(log)
    expect(await ids()).toBe(undefined)
    const waiting = ids()
    await new Promise(setImmediate)
    const { exec } = log
    log.exec = () => {
      throw new Error('the log was asked')
    }
    tail.wake({ offset: 1, id: 'a', topic: 'tasks', event: 'task.updated', atMs: T0, json: null })
    expect(await waiting).toEqual([1])
    log.exec = exec
    // A thousand of another topic, all that came before them forgotten: nothing of this one was missed.
    for (let i = 0; i < 1000; i++) tell(log, tail, `m${i}`, 'me')
    prune(log, T0 + 11 * MINUTE)
    for (let i = 0; i < 30; i++) tell(log, tail, `e${i}`)
    expect([...((await ids()) ?? [])]).toEqual(Array.from({ length: 30 }, (_, i) => 1001 + i))
  })

  it('says what to read where its place is lost, and goes on from there', async () => {
    const log = makeLog()
    fill(log, 600, T0)
    const { epoch } = position(log)
    const afters = ['nonsense', `${'0'.repeat(16)}:3`, `${epoch}:601`]
    const reset = `id: ${epoch}:600\nevent: reset\ndata: {"snapshot":[{"topic":"tasks","path":"/v1/tasks"}]}\n\n`
    for (const after of afters) expect(await tailOf(log, { after }).read()).toBe(`retry: 1000\n\n${reset}`)
    const lagging = tailOf(log, { after: `${epoch}:0` })
    prune(log, T0 + 11 * MINUTE)
    expect(await lagging.read()).toContain('event: reset')
    tell(log, lagging.tail, 'next')
    expect(await lagging.ids()).toEqual([601])
    const bounded = tailOf(log, { after: `${epoch}:0`, until: ['turn.ended'] })
    expect(await bounded.read()).toContain('event: reset')
    expect(await bounded.read()).toBe(null)
  })

  it('is over when it is ended, cancelled, or has told its last event', async () => {
    const log = makeLog()
    say(log, 'a')
    const last = tailOf(log, { until: ['task.updated'] })
    expect(await last.ids()).toEqual([1])
    expect(await last.read()).toBe(null)
    const ended = tailOf(log)
    await ended.ids()
    const waiting = ended.read()
    ended.tail.end()
    expect(await waiting).toBe(null)
    const cancelled = tailOf(log)
    await cancelled.reader.cancel()
    for (const { closed, tail } of [last, ended, cancelled]) expect(closed).toContain(tail)
  })
})
