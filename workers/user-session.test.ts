import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { nextAlarmMs } from '#core'
import { ServerMessage } from '#realtime'

type Kind = ServerMessage['type']
type Message<T extends Kind> = Extract<ServerMessage, { type: T }>

/** A client that checks each message against the protocol, and keeps those nobody has asked for yet. */
function listen(ws: WebSocket) {
  const waiting: (ServerMessage | { type: 'pong' })[] = []
  let wake = () => {}
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.addEventListener('close', ({ code, reason }) => resolve({ code, reason }))
  })
  ws.addEventListener('message', ({ data }) => {
    waiting.push(data === 'pong' ? { type: 'pong' } : ServerMessage.parse(JSON.parse(String(data))))
    wake()
  })
  ws.accept()
  /** The first message of this kind; those before it are dropped. */
  async function next<T extends Kind | 'pong'>(type: T): Promise<T extends Kind ? Message<T> : unknown> {
    for (;;) {
      const message = waiting.shift()
      if (message?.type === type) return message as T extends Kind ? Message<T> : unknown
      if (message) continue
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  async function events(count: number): Promise<Message<'event'>[]> {
    const found: Message<'event'>[] = []
    while (found.length < count) found.push(await next('event'))
    return found
  }
  const say = (message: unknown) => ws.send(typeof message === 'string' ? message : JSON.stringify(message))
  return { ws, waiting, closed, next, events, say }
}

let people = 0

function makePerson() {
  const userId = `usr_${String(++people).padStart(26, '0')}`
  const stub = env.USER_SESSION.getByName(userId)
  async function ticket(sessionId = 'ses_mine'): Promise<string> {
    const issued = await stub.issueTicket({ userId, sessionId, origin: null })
    if (!issued.ok) throw new Error(issued.reason)
    // The object leaves the proof at its end to the door before it.
    return `${issued.ticket}.${'m'.repeat(43)}`
  }
  const upgrade = (spent: string, query = '') =>
    stub.fetch(`https://x/v1/realtime?ticket=${spent}${query}`, { headers: { Upgrade: 'websocket' } })
  async function connect(query = '', sessionId = 'ses_mine') {
    const { webSocket } = await upgrade(await ticket(sessionId), query)
    if (!webSocket) throw new Error('not opened')
    return listen(webSocket)
  }
  return { stub, ticket, upgrade, connect }
}

const task = (n: number, topic = 'tasks', data: unknown = { n }) => ({
  id: `task_${n}.${n}.task.updated`,
  topic,
  event: 'task.updated',
  data,
})
const CONVERSATION = 'conversation:cnv_01jd6w3k9q0123456789abcdef'
const DEVICE = (n: number) => `dev_${String(n).padStart(26, '0')}`

describe('the log', () => {
  it('appends once what is delivered twice, and says it once', async () => {
    const { stub, connect } = makePerson()
    const socket = await connect('&topics=tasks')
    const first = await stub.publish([task(1), task(2)])
    const second = await stub.publish([task(2), task(1), task(3)])
    expect([first.offsets, second.offsets]).toEqual([
      [1, 2],
      [2, 1, 3],
    ])
    expect((await socket.events(3)).map(({ offset }) => offset)).toEqual([1, 2, 3])
    expect(socket.waiting).toEqual([])
  })

  it('gives a returning client what it missed, in order and nothing twice', async () => {
    const { stub, connect } = makePerson()
    const before = await connect('&topics=tasks')
    const { epoch } = await before.next('welcome')
    await stub.publish([task(1), task(2)])
    const [, last] = await before.events(2)
    before.ws.close(1000, 'bye')
    await stub.publish([task(3), task(4, 'me'), task(5)])
    const after = await connect(`&topics=tasks&epoch=${epoch}&offset=${last?.offset}`)
    expect(await after.next('welcome')).toMatchObject({ recovered: true, epoch, offset: 2 })
    await stub.publish([task(6)])
    expect((await after.events(2)).map(({ data }) => data)).toEqual([{ n: 3 }, { n: 5 }])
    expect(await after.next('synced')).toEqual({ type: 'synced', offset: 5 })
    expect(await after.next('event')).toMatchObject({ offset: 6, id: 'task_6.6.task.updated' })
  })

  it('says what to read where the epoch is another', async () => {
    const { stub, connect } = makePerson()
    await stub.publish([task(1)])
    const socket = await connect(`&topics=tasks,me&epoch=${'0'.repeat(16)}&offset=1`)
    const snapshot = [
      { topic: 'tasks', path: '/v1/tasks' },
      { topic: 'me', path: '/v1/me' },
    ]
    expect(await socket.next('welcome')).toMatchObject({ recovered: false, offset: 1, snapshot })
  })

  it('tells quiet sockets how far it has come', async () => {
    const { stub, connect } = makePerson()
    const socket = await connect('&topics=me')
    await stub.publish(Array.from({ length: 130 }, (_, n) => task(n + 1)))
    expect(await socket.next('synced')).toEqual({ type: 'synced', offset: 128 })
  })
})

describe('joining and leaving', () => {
  it('brings the events of what is joined, from then on or from an offset, until it is left', async () => {
    const { stub, connect } = makePerson()
    const socket = await connect()
    await stub.publish([task(1, CONVERSATION), task(2), task(3, CONVERSATION)])
    socket.say({ type: 'join', topic: CONVERSATION, after: 1 })
    expect(await socket.next('joined')).toEqual({ type: 'joined', topic: CONVERSATION, offset: 3, recovered: true })
    expect((await socket.events(1)).map(({ offset }) => offset)).toEqual([3])
    socket.say({ type: 'join', topic: 'tasks' })
    const snapshot = [{ topic: 'tasks', path: '/v1/tasks' }]
    expect(await socket.next('joined')).toEqual({
      type: 'joined',
      topic: 'tasks',
      offset: 3,
      recovered: false,
      snapshot,
    })
    socket.say({ type: 'leave', topic: CONVERSATION })
    await socket.next('left')
    await stub.publish([task(4, CONVERSATION), task(5)])
    expect((await socket.events(1)).map(({ offset }) => offset)).toEqual([5])
  })

  it('is refused beyond fifty topics, and what is not understood does no harm', async () => {
    const { connect } = makePerson()
    const topics = Array.from({ length: 50 }, (_, n) => `run:run_${String(n).padStart(26, '0')}`)
    const socket = await connect(`&topics=${topics.join(',')}`)
    socket.say({ type: 'join', topic: 'tasks' })
    expect(await socket.next('error')).toMatchObject({ code: 'too_many_topics' })
    const bad = [
      '',
      '{',
      '[]',
      { type: 'join' },
      { type: 'join', topic: 'usr_other' },
      { type: 'join', topic: 'tasks:1' },
    ]
    for (const message of [...bad, { type: 'join', topic: 'me', admin: true }, { type: 'event' }, 'x'.repeat(3000)]) {
      socket.say(message)
      expect(await socket.next('error')).toMatchObject({ code: 'invalid_message' })
    }
    socket.ws.send(new Uint8Array([1]))
    expect(await socket.next('error')).toMatchObject({ code: 'invalid_message' })
    socket.say({ type: 'leave', topic: topics[0] })
    socket.say({ type: 'join', topic: 'tasks' })
    expect(await socket.next('joined')).toMatchObject({ topic: 'tasks' })
  })
})

describe('presence', () => {
  it('knows each device once, and says who comes and goes', async () => {
    const { connect } = makePerson()
    const desk = await connect(`&topics=presence&device=${DEVICE(1)}`)
    expect((await desk.next('welcome')).devices).toMatchObject([{ deviceId: DEVICE(1), sessionId: 'ses_mine' }])
    const [phone, tab] = [await connect(`&device=${DEVICE(2)}`), await connect(`&device=${DEVICE(1)}`)]
    expect((await desk.next('presence')).devices.map(({ deviceId }) => deviceId)).toEqual([DEVICE(1), DEVICE(2)])
    tab.ws.close(1000)
    phone.ws.close(4321, 'custom')
    expect((await desk.next('presence')).devices.map(({ deviceId }) => deviceId)).toEqual([DEVICE(1)])
    expect(await phone.closed).toEqual({ code: 4321, reason: 'custom' })
    desk.say({ type: 'presence' })
    expect((await desk.next('presence')).devices.length).toBe(1)
    expect(desk.waiting).toEqual([])
  })

  it('gives a device an id it may keep', async () => {
    const { connect } = makePerson()
    const { deviceId } = await (await connect()).next('welcome')
    expect((await (await connect(`&device=${deviceId}`)).next('welcome')).devices.length).toBe(1)
  })
})

describe('limits', () => {
  it('turns a reconnect storm away, each to another moment', async () => {
    const { ticket, upgrade } = makePerson()
    const waits: number[] = []
    for (let n = 1; n <= 34; n++) {
      const { webSocket } = await upgrade(await ticket())
      if (!webSocket) throw new Error('not opened')
      const socket = listen(webSocket)
      if (n <= 30) {
        socket.ws.close(1000)
        continue
      }
      const { code, reason } = await socket.closed
      expect(code).toBe(4009)
      waits.push(JSON.parse(reason).retryAfterMs)
    }
    for (const ms of waits) expect(ms > 50_000 && ms <= 120_000).toBe(true)
    expect(new Set(waits).size).toBeGreaterThan(1)
  })

  it('closes a socket that does not read, and not one that does', async () => {
    const { stub, connect } = makePerson()
    const [slow, quick] = [await connect('&topics=tasks'), await connect('&topics=tasks')]
    const long = 'x'.repeat(60_000)
    for (let n = 1; n <= 80; n++) {
      await stub.publish([task(n, 'tasks', long)])
      if (n < 60) slow.say('ping')
      if (n % 10 === 0) quick.say(await quick.next('check'))
    }
    expect(await slow.closed).toEqual({ code: 4008, reason: 'too_slow' })
    await stub.publish([task(81)])
    while ((await quick.next('event')).offset < 81);
  })

  it('answers a ping, also while it sleeps', async () => {
    const { stub, connect } = makePerson()
    const socket = await connect()
    socket.say('ping')
    await socket.next('pong')
    await evictDurableObject(stub)
    socket.say('ping')
    await socket.next('pong')
  })

  it('closes the oldest of more than 32 sockets', async () => {
    const { stub, connect } = makePerson()
    const first = await connect()
    for (let n = 1; n < 29; n++) await connect()
    await runInDurableObject(stub, (_, { storage }) => storage.sql.exec('delete from connects'))
    for (let n = 29; n < 33; n++) await connect()
    expect(await first.closed).toEqual({ code: 4011, reason: 'too_many_sockets' })
    expect(await runInDurableObject(stub, (_, state) => state.getWebSockets().length)).toBeLessThanOrEqual(33)
  })

  it('closes a socket that talks without end', async () => {
    const socket = await makePerson().connect()
    for (let n = 0; n <= 120; n++) socket.say({ type: 'presence' })
    expect(await socket.closed).toEqual({ code: 4012, reason: 'too_many_messages' })
  })
})

describe('the end of a session', () => {
  it('closes its sockets at once, ends its streams and leaves others alone', async () => {
    const { stub, ticket, upgrade, connect } = makePerson()
    const [mine, theirs] = [await connect('&topics=tasks'), await connect('&topics=tasks', 'ses_other')]
    const reading = new Response(await stub.follow('tasks', null, { sessionId: 'ses_mine' })).text()
    const unused = await ticket()
    const started = performance.now()
    expect(await stub.endSession('ses_mine')).toEqual({ closed: 1 })
    expect(await mine.closed).toEqual({ code: 4001, reason: 'session_ended' })
    expect(performance.now() - started).toBeLessThan(1000)
    await reading
    expect((await upgrade(unused)).status).toBe(401)
    await expect(ticket()).rejects.toThrow('session_ended')
    await stub.publish([task(1)])
    expect((await theirs.next('event')).offset).toBe(1)
    expect(await stub.endSession('ses_mine')).toEqual({ closed: 0 })
  })
})

describe('eviction', () => {
  it('loses no event, ticket, socket, joined topic or timer', async () => {
    const { stub, ticket, upgrade, connect } = makePerson()
    const socket = await connect('&topics=tasks')
    const { epoch, deviceId } = await socket.next('welcome')
    socket.say({ type: 'join', topic: 'me' })
    await socket.next('joined')
    await stub.publish([task(1)])
    const unused = await ticket()
    const due = await runInDurableObject(stub, (_, { storage }) => nextAlarmMs(storage.sql, 0))
    await evictDurableObject(stub)
    const answer = await stub.publish([task(1), task(2), task(3, 'me')])
    expect(answer).toEqual({ epoch, offset: 3, offsets: [1, 2, 3] })
    const seen = (await socket.events(3)).map(({ offset, topic }) => [offset, topic])
    expect(seen).toEqual([
      [1, 'tasks'],
      [2, 'tasks'],
      [3, 'me'],
    ])
    expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).toBe(due)
    const { webSocket } = await upgrade(unused)
    if (!webSocket) throw new Error('not opened')
    const { devices } = await listen(webSocket).next('welcome')
    expect(devices.map((device) => device.deviceId)).toContain(deviceId)
  })
})
