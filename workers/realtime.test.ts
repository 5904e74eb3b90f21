import { createExecutionContext, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { armTimer, type DomainEvent, newId } from '#core'
import { realtimeSubscriber } from '#realtime'
import { makeCtx } from './context.ts'

const HOME = 'http://aurelius.test'
const UPGRADE = { Upgrade: 'websocket' }
const call = (method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Response> =>
  exports.default.fetch(new Request(`${HOME}/v1${path}`, { method, headers, ...(body && { body }) }))

async function register() {
  const email = `${crypto.randomUUID()}@example.com`
  const body = JSON.stringify({ email, password: 'four words to remember', displayName: 'Test Person' })
  const answer = await call('POST', '/auth/register', { 'Content-Type': 'application/json' }, body)
  const signedIn: { accessToken: string; sessionId: string; user: { id: string } } = await answer.json()
  const bearer = { Authorization: `Bearer ${signedIn.accessToken}` }
  async function ticket(headers: Record<string, string> = {}): Promise<string> {
    const issued: { ticket: string } = await (await call('POST', '/realtime/ticket', { ...bearer, ...headers })).json()
    return issued.ticket
  }
  return { ...signedIn, bearer, ticket, stub: env.USER_SESSION.getByName(signedIn.user.id) }
}

/** A person who never signed in: their object alone. */
function makeStub() {
  const userId = newId('usr', new Date())
  return { userId, stub: env.USER_SESSION.getByName(userId) }
}

async function codeOf(answer: Response): Promise<string> {
  const problem: { code: string } = await answer.json()
  return problem.code
}

const closeOf = (ws: WebSocket) =>
  new Promise<number>((resolve) => {
    ws.addEventListener('close', ({ code }) => resolve(code))
    ws.accept()
  })

const event = (n: number, over: Partial<DomainEvent> = {}): DomainEvent => ({
  id: `task_x.${n}.task.updated`,
  type: 'task.updated',
  userId: '',
  room: 'tasks',
  key: 'task_x',
  version: n,
  data: { n },
  at: '2026-11-23T09:00:00.000Z',
  ...over,
})

describe('a ticket', () => {
  it('is given to a live session in one trip, and to no other', async () => {
    const { bearer } = await register()
    const answer = await call('POST', '/realtime/ticket', bearer)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('Server-Timing')).toContain('trips=1')
    const { expiresAt }: { expiresAt: string } = await answer.json()
    expect(Math.abs(Date.parse(expiresAt) - Date.now() - 30_000)).toBeLessThan(5_000)
    await call('POST', '/auth/logout', bearer)
    const after = await call('POST', '/realtime/ticket', bearer)
    expect([after.status, await codeOf(after)]).toEqual([401, 'session_ended'])
    expect((await call('POST', '/realtime/ticket')).status).toBe(401)
  })

  it('is not given again under an idempotency key', async () => {
    const { ticket } = await register()
    const key = { 'Idempotency-Key': 'same' }
    expect(await ticket(key)).not.toBe(await ticket(key))
  })

  it('opens one socket, of its own person, whatever the number that try at once', async () => {
    const [mine, theirs] = [await register(), await register()]
    const [owner, secret, proof] = (await mine.ticket()).split('.')
    const stolen = await call('GET', `/realtime?ticket=tkt_${theirs.user.id}.${secret}.${proof}`, UPGRADE)
    expect([stolen.status, await codeOf(stolen)]).toEqual([401, 'invalid_token'])
    const all = await Promise.all(
      Array.from({ length: 100 }, () => call('GET', `/realtime?ticket=${owner}.${secret}.${proof}`, UPGRADE)),
    )
    expect(all.filter(({ status }) => status === 101).length).toBe(1)
    expect(all.filter(({ status }) => status === 401).length).toBe(99)
    for (const { webSocket } of all) webSocket?.accept()
  })

  it('is kept as a hash, and refused when too old', async () => {
    const { stub, ticket } = await register()
    const secret = await ticket()
    const rows = await runInDurableObject(stub, (_, { storage }) => {
      const kept = JSON.stringify(storage.sql.exec('select * from tickets').toArray())
      storage.sql.exec('update tickets set expires_ms = 1')
      return kept
    })
    expect(rows).toContain('hash')
    expect(rows).not.toContain(secret.split('.')[1])
    expect((await call('GET', `/realtime?ticket=${secret}`, UPGRADE)).status).toBe(401)
  })
})

describe('the upgrade', () => {
  it('is for pages of allowed origins, and for programs, which send none', async () => {
    const { ticket, bearer } = await register()
    const strangers = ['https://evil.example', 'null', 'https://aurelius.test', `${HOME}.evil.example`, `${HOME}:81`]
    for (const Origin of strangers) {
      const upgrade = await call('GET', `/realtime?ticket=${await ticket()}`, { ...UPGRADE, Origin })
      expect([Origin, upgrade.status, await codeOf(upgrade)]).toEqual([Origin, 403, 'origin_refused'])
      const asked = await call('POST', '/realtime/ticket', { ...bearer, Origin })
      expect([Origin, asked.status, await codeOf(asked)]).toEqual([Origin, 403, 'origin_refused'])
    }
    const welcome: Record<string, string>[] = [{}, { Origin: HOME }]
    for (const headers of welcome) {
      const { status, webSocket } = await call('GET', `/realtime?ticket=${await ticket(headers)}`, {
        ...UPGRADE,
        ...headers,
      })
      expect(status).toBe(101)
      webSocket?.accept()
    }
    const boundToPage = await ticket({ Origin: HOME })
    expect((await call('GET', `/realtime?ticket=${boundToPage}`, UPGRADE)).status).toBe(401)
  })

  it('is the only thing this address is for, and reads its query strictly', async () => {
    const { ticket } = await register()
    const plain = await call('GET', `/realtime?ticket=${await ticket()}`)
    expect([plain.status, await codeOf(plain)]).toEqual([426, 'upgrade_required'])
    const secret = await ticket()
    for (const query of [
      '',
      'ticket=x',
      `ticket=${secret}&topics=conversation:usr`,
      `ticket=${secret}&topics=everybody`,
      `ticket=${secret}&offset=-1`,
      `ticket=${secret}&epoch=1`,
      `ticket=${secret}&device=me`,
      `ticket=${secret}&user=usr_other`,
    ]) {
      expect([query, (await call('GET', `/realtime?${query}`, UPGRADE)).status]).toEqual([query, 400])
    }
    const { status, webSocket } = await call('GET', `/realtime?ticket=${secret}`, UPGRADE)
    expect(status).toBe(101)
    webSocket?.accept()
  })
})

describe('the subscriber', () => {
  const ctx = () => makeCtx(env, createExecutionContext())

  it('publishes what has a room, once, and keeps the rest inside', async () => {
    const { userId, stub } = makeStub()
    const first = event(1, { userId })
    await realtimeSubscriber.handle(ctx(), [first, event(2, { userId }), first, event(3, { userId, room: null })])
    await realtimeSubscriber.handle(ctx(), [first])
    const reader = (await stub.follow('tasks', `${(await stub.publish([])).epoch}:0`)).getReader()
    const { value } = await reader.read()
    expect(new TextDecoder().decode(value).match(/data: .*/g)).toEqual(['data: {"n":1}', 'data: {"n":2}'])
    await reader.cancel()
    expect((await stub.publish([])).offset).toBe(2)
  })

  it('closes the sockets of an ended session and of an erased person', async () => {
    const { user, sessionId, ticket, stub } = await register()
    const open = async () => {
      const { webSocket } = await call('GET', `/realtime?ticket=${await ticket()}`, UPGRADE)
      if (!webSocket) throw new Error('not opened')
      return webSocket
    }
    const closed = [await open(), await open()].map(closeOf)
    await stub.publish([{ id: 'a', topic: 'tasks', event: 'task.updated', data: null }])
    const ended = { userId: user.id, type: 'session.ended', room: null, data: { id: 'ses_other', reason: 'logout' } }
    await realtimeSubscriber.handle(ctx(), [event(1, ended)])
    await realtimeSubscriber.handle(ctx(), [event(2, { ...ended, data: { id: sessionId, reason: 'logout' } })])
    expect(await Promise.all(closed)).toEqual([4001, 4001])
    await stub.erase()
    expect((await stub.publish([])).offset).toBe(0)
    expect(await stub.held()).toBe(0)
  })
})

describe('a stream', () => {
  it('tells a topic from an offset and then live, until the reader has enough', async () => {
    const { stub } = makeStub()
    const say = (n: number, topic = 'tasks') =>
      stub.publish([{ id: `${n}`, topic, event: 'task.updated', data: { n } }])
    for (const n of [1, 2, 3]) await say(n)
    const { epoch } = await say(4, 'me')
    const reader = (await stub.follow('tasks', `${epoch}:1`)).pipeThrough(new TextDecoderStream()).getReader()
    const sse = (n: number, offset: number) => `id: ${epoch}:${offset}\nevent: task.updated\ndata: {"n":${n}}\n\n`
    expect((await reader.read()).value).toBe(`retry: 1000\n\n${sse(2, 2)}${sse(3, 3)}`)
    const live = reader.read()
    await say(5, 'me')
    await say(6)
    expect((await live).value).toBe(sse(6, 6))
    await reader.cancel()
    await say(7)
  })

  it('ends after the event it was asked to end with', async () => {
    const { stub } = makeStub()
    const stream = await stub.follow('tasks', null, { until: ['turn.completed'] })
    const reading = new Response(stream).text()
    for (const name of ['turn.started', 'turn.completed', 'turn.started']) {
      await stub.publish([{ id: crypto.randomUUID(), topic: 'tasks', event: name, data: null }])
    }
    expect((await reading).match(/event: .*/g)).toEqual(['event: turn.started', 'event: turn.completed'])
  })
})

describe('the alarm', () => {
  it('sweeps what is past its time and rings again only while something is kept', async () => {
    const { ticket, stub } = await register()
    const { webSocket } = await call('GET', `/realtime?ticket=${await ticket()}`, UPGRADE)
    const closed = webSocket && closeOf(webSocket)
    await ticket()
    await stub.publish([{ id: 'a', topic: 'tasks', event: 'task.updated', data: null }])
    await runInDurableObject(stub, (_, state) => {
      const { sql } = state.storage
      sql.exec('update timers set due_ms = 1, version = 1')
      sql.exec('update tickets set expires_ms = 1')
      sql.exec('update events set at_ms = 1')
      for (const ws of state.getWebSockets()) ws.serializeAttachment({ ...ws.deserializeAttachment(), connectedMs: 1 })
    })
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect(await closed).toBe(4010)
    const rows = 'select (select count(*) from events) + (select count(*) from tickets) as n'
    const left = await runInDurableObject(stub, async (_, { storage }) => [
      storage.sql.exec(rows).one()['n'],
      await storage.getAlarm(),
    ])
    expect(left).toEqual([0, null])
    expect((await stub.publish([{ id: 'b', topic: 'tasks', event: 'task.updated', data: null }])).offsets).toEqual([2])
  })

  it('lets a timer nobody knows pass', async () => {
    const { stub } = makeStub()
    await stub.ping()
    await runInDurableObject(stub, async (_, { storage }) => {
      armTimer(storage.sql, { name: 'unknown', dueMs: 1, version: 1, payload: null })
      await storage.setAlarm(Date.now() + 60_000)
    })
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).toBe(null)
  })
})

describe('erasure', () => {
  it('ends everything and leaves no row', async () => {
    const { ticket, stub } = await register()
    const { webSocket } = await call('GET', `/realtime?ticket=${await ticket()}`, UPGRADE)
    const closed = webSocket && closeOf(webSocket)
    const { epoch } = await stub.publish([{ id: 'a', topic: 'tasks', event: 'task.updated', data: null }])
    const reading = new Response(await stub.follow('tasks', `${epoch}:0`)).text()
    expect(await stub.erase()).toEqual({ ok: true })
    expect(await closed).toBe(4002)
    await reading
    const rows = await runInDurableObject(stub, async (_, { storage }) => {
      const tables = ['events', 'tickets', 'ended_sessions', 'connects', 'timers']
      const counts = tables.map((name) => storage.sql.exec(`select count(*) as n from ${name}`).one()['n'])
      return [...counts, await storage.getAlarm()]
    })
    expect(rows).toEqual([0, 0, 0, 0, 0, null])
    expect((await stub.publish([])).epoch).not.toBe(epoch)
    await stub.publish([{ id: 'a', topic: 'tasks', event: 'task.updated', data: null }])
    expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).not.toBe(null)
  })
})
