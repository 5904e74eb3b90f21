import { expect, test } from 'vitest'
import { createInflight } from './inflight.ts'

/** A call that says what it is told to, when it is told to. */
function upstream() {
  const said: (string | Error | null)[] = []
  let more = Promise.withResolvers<void>()
  const signals: AbortSignal[] = []
  const start = async function* (signal: AbortSignal) {
    signals.push(signal)
    signal.addEventListener('abort', () => more.resolve())
    for (let at = 0; ; at++) {
      while (said[at] === undefined) {
        signal.throwIfAborted()
        await more.promise
      }
      const event = said[at]
      if (event === null) return
      if (event instanceof Error) throw event
      yield event ?? ''
    }
  }
  const say = (event: string | Error | null) => {
    said.push(event)
    more.resolve()
    more = Promise.withResolvers()
  }
  return { start, say, signals }
}

const free = () => new AbortController().signal
const all = async (events: AsyncIterable<string>) => {
  const got: string[] = []
  for await (const event of events) got.push(event)
  return got
}

test('who asks the same while it runs follows from the beginning; one call is made', async () => {
  const { start, say, signals } = upstream()
  const inflight = createInflight<string>()
  const first = inflight.share('k', start, free())
  const reading = all(first.events)
  say('a')
  say('b')
  await new Promise(setImmediate)
  const second = inflight.share('k', start, free())
  const third = inflight.share('other', start, free())
  expect([first.isLeader, second.isLeader, third.isLeader, inflight.size()]).toEqual([true, false, true, 2])
  const late = all(second.events)
  say('c')
  say(null)
  expect([await reading, await late]).toEqual([
    ['a', 'b', 'c'],
    ['a', 'b', 'c'],
  ])
  expect(signals).toHaveLength(2)
})

test('one that ended is not joined: whoever comes after it starts anew, and slow ones still read all of it', async () => {
  const { start, say, signals } = upstream()
  const inflight = createInflight<string>()
  const slow = inflight.share('k', start, free())
  say('a')
  say(null)
  expect(await all(inflight.share('k', start, free()).events)).toEqual(['a'])
  expect(inflight.size()).toBe(0)
  expect(inflight.share('k', start, free()).isLeader).toBe(true)
  expect(await all(slow.events)).toEqual(['a'])
  expect(signals).toHaveLength(2)
})

test('the leader going away cuts nobody; the last one going away ends the call', async () => {
  const { start, say, signals } = upstream()
  const inflight = createInflight<string>()
  const controllers = [new AbortController(), new AbortController(), new AbortController()]
  const [one, two, three] = controllers.map(({ signal }) => inflight.share('k', start, signal).events)
  if (!one || !two || !three) throw new Error('three follow')
  say('a')
  expect(await one.next()).toMatchObject({ value: 'a' })
  const waiting = one.next()
  controllers[0]?.abort(new Error('closed the tab'))
  await expect(waiting).rejects.toThrow('closed the tab')
  await two.return?.()
  expect(signals[0]?.aborted).toBe(false)
  say('b')
  expect([await three.next(), await three.next()]).toMatchObject([{ value: 'a' }, { value: 'b' }])
  controllers[2]?.abort()
  expect(signals[0]?.aborted).toBe(true)
  expect(inflight.size()).toBe(0)
  expect(await two.next()).toMatchObject({ done: true })
})

test('leaving twice counts once, and one that never reads counts until its signal', async () => {
  const { start, signals } = upstream()
  const inflight = createInflight<string>()
  const silent = new AbortController()
  inflight.share('k', start, silent.signal)
  const other = inflight.share('k', start, free()).events
  await other.return?.()
  await other.return?.()
  expect(signals[0]?.aborted).toBe(false)
  silent.abort()
  expect(signals[0]?.aborted).toBe(true)
  const dead = inflight.share('k', start, AbortSignal.abort(new Error('already gone'))).events
  await expect(dead.next()).rejects.toThrow('already gone')
  expect(signals[1]?.aborted).toBe(true)
})

test('whoever comes after the last one left joins nothing that is dying', async () => {
  const { start, say, signals } = upstream()
  const inflight = createInflight<string>()
  await inflight.share('k', start, free()).events.return?.()
  const next = inflight.share('k', start, free())
  expect([next.isLeader, signals.map(({ aborted }) => aborted)]).toEqual([true, [true, false]])
  say('a')
  say(null)
  expect(await all(next.events)).toEqual(['a'])
})

test('a failure reaches everyone after what was said before it, and is not kept', async () => {
  const { start, say } = upstream()
  const inflight = createInflight<string>()
  const [one, two] = [inflight.share('k', start, free()).events, inflight.share('k', start, free()).events]
  say('a')
  say(new Error('529'))
  for (const events of [one, two]) {
    expect(await events.next()).toMatchObject({ value: 'a' })
    await expect(events.next()).rejects.toThrow('529')
  }
  expect(inflight.size()).toBe(0)
})

test('a hundred who come and go in any order make one call, and each reads what was said or nothing', async () => {
  const { start, say, signals } = upstream()
  const inflight = createInflight<string>()
  const stays = inflight.share('k', start, free())
  const readers = Array.from({ length: 100 }, (_, i) => {
    const controller = new AbortController()
    const { events } = inflight.share('k', start, controller.signal)
    if (i % 3 === 0) controller.abort()
    return all(events).catch(() => 'left')
  })
  for (let i = 0; i < 50; i++) say(`${i}`)
  say(null)
  const whole = Array.from({ length: 50 }, (_, i) => `${i}`)
  const got = await Promise.all(readers)
  expect(got.every((read, i) => (i % 3 === 0 ? read === 'left' : read.length === 50))).toBe(true)
  expect(await all(stays.events)).toEqual(whole)
  expect(signals).toHaveLength(1)
})
