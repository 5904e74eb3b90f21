import { evictDurableObject, runDurableObjectAlarm, runInDurableObject, SELF } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { conversations, messages } from '#assistant/tables'
import { newId } from '#core'
import { effects } from '#effects/tables'
import { makePerson } from '#test/database'
import type { UserSession } from './user-session.ts'

const WATCH_MS = 20_000

type Said = Awaited<ReturnType<UserSession['finishTurn']>>

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function makeWorld() {
  const person = await makePerson()
  const { userId, sessionId } = person.actor
  const by = { userId, sessionId }
  const session = () => env.USER_SESSION.getByName(userId)
  const conversation = async () => {
    const id = newId('cnv', new Date())
    await person.db.insert(conversations).values({ id, userId, title: 'x' })
    return id
  }
  const ask = (conversationId: string, text = 'hello') => ({
    conversationId,
    text,
    turnId: newId('turn', new Date()),
    questionId: newId('msg', new Date()),
    answerId: newId('msg', new Date()),
  })
  const statusOf = async (id: string) => {
    const [row] = await person.db.select({ status: messages.status }).from(messages).where(eq(messages.id, id))
    return row?.status
  }
  /** A turn of which all but its end was done when its machine went away, as the platform takes it: without a word. */
  const loseOne = async (text?: string) => {
    const request = ask(await conversation(), text)
    cutTrip(CLOSING)
    await session().finishTurn(request, by)
    vi.restoreAllMocks()
    await evictDurableObject(session())
    expect(await statusOf(request.answerId)).toBe('streaming')
    return request
  }
  const rows = () =>
    runInDurableObject(session(), (_, { storage }) => storage.sql.exec('select turn_id, state from turns').toArray())
  return { person, by, session, conversation, ask, statusOf, loseOne, rows }
}

/** Holds back the next trip whose statement says this, until released; `held` is when it was reached. Others may be cut. */
function holdTrip(says: string, areOthersCut = false) {
  const real = globalThis.fetch
  const [held, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isSpent = false
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    if (typeof init?.body === 'string' && init.body.includes(says)) {
      if (isSpent && areOthersCut) throw new Error('the line is cut')
      if (isSpent) return await real(input, init)
      isSpent = true
      held.resolve()
      await released.promise
    }
    return await real(input, init)
  })
  return { held: held.promise, release: released.resolve }
}

/** Lets no trip through whose statement says this. */
function cutTrip(says: string): void {
  const real = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    if (typeof init?.body === 'string' && init.body.includes(says)) throw new Error('the line is cut')
    return await real(input, init)
  })
}

const OPENING = 'insert into \\"messages\\"'
const CLOSING = 'update \\"messages\\" set \\"status\\"'

test('conversations of one person are answered side by side, and no answer is lost', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const ids = await Promise.all(Array.from({ length: 4 }, conversation))
  for (let round = 0; round < 5; round++) {
    const said = await Promise.all(ids.map((id) => session().finishTurn(ask(id), by)))
    expect(said.map((turn: Said) => (turn.ok ? turn.answer.status : turn.code))).toEqual([
      'done',
      'done',
      'done',
      'done',
    ])
    expect(said.every((turn: Said) => turn.ok && turn.answer.text !== '')).toBe(true)
  }
})

test('of ten messages to one conversation at once, one is answered and nine are told that a turn is running', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const id = await conversation()
  for (let round = 0; round < 3; round++) {
    const said = await Promise.all(Array.from({ length: 10 }, () => session().finishTurn(ask(id), by)))
    const codes = said.map((turn: Said) => (turn.ok ? turn.answer.status : turn.code)).sort()
    expect(codes).toEqual(['done', ...Array.from({ length: 9 }, () => 'turn_running')])
  }
})

test('a message sent again while it is being opened is the same turn, answered once', async () => {
  const { by, session, conversation, ask, person } = await makeWorld()
  const id = await conversation()
  const request = ask(id)
  const said = await Promise.all(Array.from({ length: 5 }, () => session().finishTurn(request, by)))
  const answers = said.map((turn: Said) => (turn.ok ? { ...turn.answer } : turn.code))
  expect(answers[0]).toMatchObject({ id: request.answerId, status: 'done' })
  for (const answer of answers) expect(answer).toEqual(answers[0])
  const kept = await person.db.select({ id: messages.id }).from(messages).where(eq(messages.conversationId, id))
  expect(kept).toHaveLength(2)
})

test('the watchdog leaves a turn alone that is still being opened', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const request = ask(await conversation())
  const { held, release } = holdTrip(OPENING)
  const said = session().finishTurn(request, by)
  await held
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + WATCH_MS })
  expect(await runDurableObjectAlarm(session())).toBe(true)
  release()
  expect(await said).toMatchObject({ ok: true, answer: { status: 'done' } })
})

test('a turn cancelled while it is being opened ends as cancelled', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const request = ask(await conversation())
  const { held, release } = holdTrip(OPENING)
  const said = session().finishTurn(request, by)
  await held
  const cancelled = session().cancelTurn(request.turnId)
  release()
  expect(await cancelled).toMatchObject({ ok: true, status: 'cancelled' })
  expect(await said).toMatchObject({ ok: true, answer: { status: 'cancelled' } })
  expect(await session().cancelTurn(request.turnId)).toMatchObject({ ok: true, status: 'ended' })
})

test('a lost turn that is asked for again is ended first, with what it had said', async () => {
  const { by, session, loseOne } = await makeWorld()
  const request = await loseOne()
  const again = await session().finishTurn(request, by)
  expect(again).toMatchObject({ ok: true, answer: { id: request.answerId, status: 'interrupted' } })
  expect(again.ok && again.answer.text).not.toBe('')
})

test('a lost turn that is cancelled is ended, not forgotten', async () => {
  const { session, loseOne, statusOf } = await makeWorld()
  const request = await loseOne()
  expect(await session().cancelTurn(request.turnId)).toMatchObject({ ok: true, status: 'ended' })
  expect(await statusOf(request.answerId)).toBe('interrupted')
})

test('of a lost turn nobody knows what was read before it: its answer and what it did are known as tainted', async () => {
  const { by, session, loseOne, person } = await makeWorld()
  const { answerId, ...request } = await loseOne('add a task to call Ana')
  await session().finishTurn({ ...request, answerId }, by)
  const kept = await person.db.select({ tainted: messages.tainted }).from(messages).where(eq(messages.id, answerId))
  expect(kept).toEqual([{ tainted: true }])
  const acts = await person.db
    .select({ kind: effects.kind, tainted: effects.tainted })
    .from(effects)
    .where(eq(effects.messageId, answerId))
  expect(acts).toEqual([{ kind: 'create_task', tainted: true }])
})

test('a lost turn is no obstacle to the next message', async () => {
  const { by, session, loseOne, statusOf, ask } = await makeWorld()
  const request = await loseOne()
  const next = await session().finishTurn(ask(request.conversationId), by)
  expect(next).toMatchObject({ ok: true, answer: { status: 'done' } })
  expect(await statusOf(request.answerId)).toBe('interrupted')
})

test('the watchdog finds a lost turn, and knows whose it was', async () => {
  const { loseOne, statusOf, rows, session } = await makeWorld()
  const request = await loseOne()
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + WATCH_MS })
  expect(await runDurableObjectAlarm(session())).toBe(true)
  expect(await statusOf(request.answerId)).toBe('interrupted')
  expect(await rows()).toEqual([{ turn_id: request.turnId, state: 'ended' }])
})

test('a lost turn that cannot be closed keeps no other from being ended', async () => {
  const { by, session, conversation, ask, statusOf, rows } = await makeWorld()
  const requests = [ask(await conversation()), ask(await conversation())]
  cutTrip(CLOSING)
  await Promise.all(requests.map((request) => session().finishTurn(request, by)))
  vi.restoreAllMocks()
  await evictDurableObject(session())
  const [{ turn_id: firstId } = {}] = await rows()
  const [first, second] = requests.toSorted((a) => (a.turnId === firstId ? -1 : 1))
  cutTrip(first?.answerId ?? '')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + WATCH_MS })
  await runDurableObjectAlarm(session())
  vi.restoreAllMocks()
  expect([await statusOf(first?.answerId ?? ''), await statusOf(second?.answerId ?? '')]).toEqual([
    'streaming',
    'interrupted',
  ])
})

test('the watchdog stays while a turn runs, also where a lost one cannot be closed', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const { held, release } = holdTrip(CLOSING, true)
  const running = session().finishTurn(ask(await conversation()), by)
  await held
  expect(await session().finishTurn(ask(await conversation()), by)).toMatchObject({ ok: false })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + WATCH_MS + 1000 })
  await runDurableObjectAlarm(session())
  const waiting = await runInDurableObject(session(), (_, { storage }) =>
    storage.sql.exec("select due_ms as due from timers where name like 'turn:%' and due_ms is not null").toArray(),
  )
  expect(waiting).toEqual([{ due: Date.now() + WATCH_MS }])
  release()
  expect(await running).toMatchObject({ answer: { status: 'done' } })
})

test('one watchdog watches all turns, stays while one runs, and waits for none', async () => {
  const { by, session, conversation, ask, loseOne, statusOf } = await makeWorld()
  const waiting = () =>
    runInDurableObject(session(), (_, { storage }) =>
      storage.sql.exec("select due_ms as due from timers where name like 'turn:%' and due_ms is not null").toArray(),
    )
  const later = (times: number) => vi.useFakeTimers({ toFake: ['Date'], now: startedMs + times * (WATCH_MS + 1000) })
  const startedMs = Date.now()
  for (let turn = 0; turn < 3; turn++) await session().finishTurn(ask(await conversation()), by)
  const first = await waiting()
  expect(first).toHaveLength(1)
  const lost = await loseOne()
  expect(await waiting()).toEqual(first)
  later(1)
  await runDurableObjectAlarm(session())
  expect(await statusOf(lost.answerId)).toBe('interrupted')
  expect(await waiting()).toEqual([])

  const { held, release } = holdTrip(CLOSING)
  const running = session().finishTurn(ask(await conversation()), by)
  await held
  later(2.5)
  await runDurableObjectAlarm(session())
  expect(await waiting()).toEqual([{ due: Date.now() + WATCH_MS }])
  release()
  expect(await running).toMatchObject({ answer: { status: 'done' } })
  later(4)
  await runDurableObjectAlarm(session())
  expect(await waiting()).toEqual([])
})

test('an answer that could not be written down is never given as if it had been', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const request = ask(await conversation())
  cutTrip(CLOSING)
  for (let attempt = 0; attempt < 2; attempt++)
    expect(await session().finishTurn(request, by)).toMatchObject({ ok: false, code: 'unavailable' })
  vi.restoreAllMocks()
  expect(await session().finishTurn(request, by)).toMatchObject({ ok: true, answer: { status: 'interrupted' } })
})

test('a turn says how many trips to the database it took', async () => {
  const { by, session, conversation, ask } = await makeWorld()
  const turn = await session().finishTurn(ask(await conversation()), by)
  expect(turn).toMatchObject({ ok: true, database: { trips: 2 } })
})

test('a message costs one trip before the model is asked and one to write down the answer, as its request says', async () => {
  const call = async (path: string, body: object, accessToken = '', accept = 'application/json') => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${accessToken}`, accept }
    return await SELF.fetch(`http://aurelius.test${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  }
  const person = { email: `p${crypto.randomUUID()}@example.com`, password: 'correct horse battery staple' }
  const registered = await call('/v1/auth/register', { ...person, displayName: 'Sam' })
  const { accessToken } = z.object({ accessToken: z.string() }).parse(await registered.json())
  const opened = await call('/v1/conversations', {}, accessToken)
  const { id } = z.object({ id: z.string() }).parse(await opened.json())
  const path = `/v1/conversations/${id}/messages`
  const whole = await call(path, { text: 'hello' }, accessToken)
  expect(whole.headers.get('server-timing')).toContain('trips=2')
  const stream = await call(path, { text: 'hello' }, accessToken, 'text/event-stream')
  expect(stream.headers.get('server-timing')).toContain('trips=1')
  expect(await stream.text()).toContain('event: turn.ended')
})
