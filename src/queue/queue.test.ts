import { eq, sql } from 'drizzle-orm'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { readConfig } from '#config'
import type { DomainEvent } from '#core'
import { connect } from '#database'
import { makePerson, testCtx } from '#test/database'
import { message, rename } from '#test/events'
import { consume, DEADLINE_MS, type Message, type Subscriber } from './consume.ts'
import { relay } from './outbox.ts'
import { inbox, outbox } from './tables.ts'

afterEach(() => void vi.useRealTimers())

function recorder(name = 'recorder', fail: (event: DomainEvent) => boolean = () => false) {
  const seen: DomainEvent[] = []
  const subscriber: Subscriber = {
    name,
    wants: (type) => type === 'test.renamed',
    handle: async (_ctx, events) => {
      if (events.some(fail)) throw new Error('not now')
      seen.push(...events)
    },
  }
  return { seen, subscriber }
}

test('a change and its event are one statement, and the event is named by what changed', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  expect(person.meter.trips).toBe(1)
  expect(id).toMatch(/^note_.+\.2\.test\.renamed$/)
  const [row] = await person.db.select().from(outbox).where(eq(outbox.id, id))
  expect(row).toMatchObject({ type: 'test.renamed', room: 'me', version: 2, data: { name: 'Ada' }, dispatchedAt: null })
})

test('an event delivered five times is handled once by each consumer', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  const [one, two] = [recorder('one'), recorder('two')]
  for (let i = 0; i < 5; i++) {
    const { it, said } = message(id)
    await consume(person, [it], [one.subscriber, two.subscriber])
    expect(said).toEqual(['ack'])
  }
  expect(one.seen).toHaveLength(1)
  expect(two.seen).toHaveLength(1)
  expect(await person.db.select().from(inbox).where(eq(inbox.messageId, id))).toHaveLength(2)
})

test('what fails is retried alone and does not repeat what its neighbour or another consumer did', async () => {
  const person = await makePerson()
  const [bad, good] = [await rename(person, 'A'), await rename(person, 'B')]
  let broken = true
  const flaky = recorder('flaky', ({ id }) => broken && id === bad)
  const steady = recorder('steady')
  const [first, second] = [message(bad), message(good)]
  await consume(person, [first.it, second.it], [flaky.subscriber, steady.subscriber])
  expect([first.said, second.said]).toEqual([['retry'], ['ack']])
  broken = false
  const again = message(bad)
  await consume(person, [again.it], [flaky.subscriber, steady.subscriber])
  expect(again.said).toEqual(['ack'])
  expect(flaky.seen.map(({ id }) => id)).toEqual([good, bad])
  expect(steady.seen).toHaveLength(2)
})

test("a batch is two trips, and each person's events are handed over together, in order", async () => {
  const [ada, bob] = [await makePerson(), await makePerson()]
  const ids = [await rename(ada, 'A'), await rename(bob, 'B'), await rename(ada, 'C')]
  const asked: string[][] = []
  const { subscriber } = recorder('together')
  const handle: Subscriber['handle'] = async (_ctx, events) => void asked.push(events.map(({ id }) => id))
  const ctx = testCtx()
  await consume(
    ctx,
    ids.toReversed().map((id) => message(id).it),
    [{ ...subscriber, handle }],
  )
  expect(asked.toSorted((a, b) => b.length - a.length)).toEqual([[ids[0], ids[2]], [ids[1]]])
  expect(ctx.meter.trips).toBe(2)
})

test('one bad event of a person spoils none of their others', async () => {
  const person = await makePerson()
  const ids = [await rename(person, 'A'), await rename(person, 'B'), await rename(person, 'C')]
  const { seen, subscriber } = recorder('picky', ({ id }) => id === ids[1])
  const messages = ids.map((id) => message(id))
  await consume(
    person,
    messages.map(({ it }) => it),
    [subscriber],
  )
  expect(messages.map(({ said }) => said)).toEqual([['ack'], ['retry'], ['ack']])
  expect(seen.map(({ id }) => id)).toEqual([ids[0], ids[2]])
})

test('an object that hangs holds up nobody else, and is asked again', async () => {
  const [stuck, free] = [await makePerson(), await makePerson()]
  const ids = [await rename(stuck, 'A'), await rename(stuck, 'B'), await rename(free, 'C')]
  const messages = ids.map((id) => message(id))
  const { seen, subscriber } = recorder('hanging')
  const called = Promise.withResolvers<void>()
  let isHung = true
  const handle: Subscriber['handle'] = async (ctx, events) => {
    if (isHung && events[0]?.userId === stuck.actor.userId) {
      called.resolve()
      await new Promise(() => undefined)
    }
    await subscriber.handle(ctx, events)
  }
  const hanging = [{ ...subscriber, handle }]
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const consumed = consume(
    testCtx(),
    messages.map(({ it }) => it),
    hanging,
  )
  await called.promise
  await vi.advanceTimersByTimeAsync(DEADLINE_MS)
  vi.useRealTimers()
  await consumed
  expect(messages.map(({ said }) => said)).toEqual([['retry'], ['retry'], ['ack']])
  isHung = false
  const again = ids.map((id) => message(id))
  await consume(
    testCtx(),
    again.map(({ it }) => it),
    hanging,
  )
  expect(again.map(({ said }) => said)).toEqual([['ack'], ['ack'], ['ack']])
  expect(seen.map(({ id }) => id)).toEqual([ids[2], ids[0], ids[1]])
})

test('the relay sends what no kick delivered, once its grace is over, and leases it', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  const early = testCtx()
  await relay(early)
  expect(early.sent).not.toContainEqual({ v: 1, kind: 'event', outboxId: id })
  await person.db.update(outbox).set({ availableAt: sql`now() - interval '1 second'` }).where(eq(outbox.id, id))
  const [left, right] = [testCtx(), testCtx()]
  await Promise.all([relay(left), relay(right)])
  const sent = [...left.sent, ...right.sent].filter((body) => JSON.stringify(body).includes(id))
  expect(sent).toHaveLength(1)
})

test('a message that is not an envelope is not acknowledged', async () => {
  const { it, said } = message('x', { v: 2 })
  await consume(testCtx(), [it], [])
  expect(said).toEqual(['retry'])
})

test('while the database is away a batch is tried again later, each message by its own chance, and nothing throws', async () => {
  const person = await makePerson()
  const ids = await Promise.all(Array.from({ length: 20 }, () => rename(person, 'Ada')))
  const delays: number[] = []
  const messages = ids.map((id): Message => {
    const retry: Message['retry'] = (options) => void delays.push(options?.delaySeconds ?? 0)
    return { ...message(id).it, attempts: 4, retry }
  })
  const vars = { DATABASE_URL: 'postgres://x:y@127.0.0.1:9/z', DATABASE_FETCH_ENDPOINT: 'http://127.0.0.1:9/sql' }
  const away = connect(readConfig({ ...inject('vars'), ...vars }).database, person.meter)
  const { seen, subscriber } = recorder('away')
  await consume({ ...person, db: away }, messages, [subscriber])
  expect(seen).toEqual([])
  expect(delays).toHaveLength(20)
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(16)
  expect(Math.max(...delays)).toBeLessThanOrEqual(32)
  expect(new Set(delays).size).toBeGreaterThan(1)
})

test('what could not be noted as done is asked for again', async () => {
  const person = await makePerson()
  const { it, said } = message(await rename(person, 'Ada'))
  const { subscriber } = recorder('forgetful')
  const vars = { DATABASE_URL: 'postgres://x:y@127.0.0.1:9/z', DATABASE_FETCH_ENDPOINT: 'http://127.0.0.1:9/sql' }
  const ctx = { ...person }
  const handle: Subscriber['handle'] = async () => {
    ctx.db = connect(readConfig({ ...inject('vars'), ...vars }).database, person.meter)
  }
  await consume(ctx, [it], [{ ...subscriber, handle }])
  expect(said).toEqual(['retry'])
})

test('a queue that takes nothing gives the lease back: the next relay tries again at once', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  await person.db.update(outbox).set({ availableAt: sql`now() - interval '1 second'` }).where(eq(outbox.id, id))
  const refusal = async () => Promise.reject(new Error('refused'))
  const broken = testCtx({ env: { EVENTS: { sendBatch: refusal } } as unknown as Env })
  await expect(relay(broken)).rejects.toThrow('refused')
  const working = testCtx()
  await relay(working)
  expect(working.sent).toContainEqual({ v: 1, kind: 'event', outboxId: id })
})
