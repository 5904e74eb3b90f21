import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readEvents } from '../local/chat/sse.ts'
import { freePort } from '../local/free-port.ts'
import { startWorld, type World } from '../local/world.ts'
import { door } from './proofs/lib-effects.ts'
import { type Listener, openListener } from './proofs/lib-listener.ts'

const DAY_MS = 40_000
const ZONE = 'Europe/Berlin'
const RINGS_WITHIN_MS = 2000

type Task = {
  id: string
  title: string
  status: string
  priority: string
  version: number
  recurrence: string | null
  due: { date: string; time: string | null } | null
  remindAt: { at: string } | null
}
type Kept = { id: string; version: number }
type Page<T> = { items: T[] }
type Notification = { id: string; title: string; scheduledAt: string; readAt: string | null }
type Me = Awaited<ReturnType<typeof register>>

test(
  "one person's day: twelve requests, an undo, two devices, reminders, a restart, and nothing is lost",
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'aurelius-day-'))
    const port = await freePort()
    let world = await startWorld({ dataDir, port })
    const devices: Listener[] = []
    try {
      const me = await register(world.url)
      const topics = ['tasks', 'memories', 'notifications', 'me', `conversation:${me.conversation}`]
      const open = () => openListener(door(me.url, me.accessToken), { topics, returns: true })
      const [phone, laptop] = [await open(), await open()]
      devices.push(phone, laptop)

      await speakOfTheDay(me)
      await changeOfMind(me)
      await hearAll(me, devices)
      await loseTheLine(me, phone, laptop)
      await ring(me, laptop)
      const bread = await remindIn(me, 'take the bread out', 6)
      await undo(me)
      await hearAll(me, devices)

      const before = await everything(me)
      await world.stop()
      world = await startWorld({ dataDir, port })
      expect(await everything(me)).toEqual(before)
      // Its time came while nobody was there to ring it.
      await eachHears(devices, 'notification.created', bread.title)
      await hearAll(me, devices)
      for (const { problems } of devices) expect(problems).toEqual([])
    } finally {
      for (const device of devices) device.stop()
      await world.stop()
      rmSync(dataDir, { recursive: true, force: true })
    }
  },
  DAY_MS,
)

async function register(url: World['url']) {
  const person = {
    email: 'sam@example.com',
    password: 'correct horse battery staple',
    displayName: 'Sam',
    timeZone: ZONE,
  }
  const made = await fetch(`${url}/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(person),
  })
  expect(made.status).toBe(201)
  const { accessToken }: { accessToken: string } = JSON.parse(await made.text())
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }

  async function call<T>(method: string, path: string, body?: object, more = {}): Promise<T> {
    const init = { method, headers: { ...headers, ...more }, body: body ? JSON.stringify(body) : null }
    const answer = await fetch(url + path, init)
    const text = await answer.text()
    expect({ path, status: answer.status, text }).toMatchObject({ status: expect.toSatisfy((status) => status < 300) })
    return JSON.parse(text)
  }

  const { id: conversation } = await call<{ id: string }>('POST', '/v1/conversations', {})

  /** Says something and answers what was said back, word by word as it came. */
  async function say(text: string): Promise<string> {
    const answer = await fetch(`${url}/v1/conversations/${conversation}/messages`, {
      method: 'POST',
      headers: { ...headers, accept: 'text/event-stream' },
      body: JSON.stringify({ text }),
    })
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    if (!answer.body) throw new Error('the answer has no body')
    const names: string[] = []
    let said = ''
    for await (const { event, data } of readEvents(answer.body)) {
      names.push(event)
      if (event === 'message.delta') said += String(data.text)
      if (event === 'turn.ended') expect(data).toMatchObject({ status: 'done' })
    }
    expect([names[0], names.at(-1)]).toEqual(['message.created', 'turn.ended'])
    return said
  }
  const tasks = async () => (await call<Page<Task>>('GET', '/v1/tasks?limit=100')).items
  const task = async (words: string) => {
    const found = (await tasks()).filter(({ title }) => title.toLowerCase().includes(words))
    expect({ words, found: found.length }).toEqual({ words, found: 1 })
    const [one] = found
    if (!one) throw new Error('unreachable')
    return one
  }
  return { url, accessToken, conversation, call, say, tasks, task }
}

/** The day in so many days, on a calendar in Berlin. */
function day(ahead: number): string {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: ZONE, dateStyle: 'short' }).format(Date.now())
  return new Date(Date.parse(today) + ahead * 24 * 3600_000).toISOString().slice(0, 10)
}

async function speakOfTheDay(me: Me): Promise<void> {
  expect(await me.say('remind me to call the dentist tomorrow at 9')).toMatch(/dentist/i)
  const dentist = await me.task('dentist')
  expect(dentist.remindAt?.at).toBe(wall(day(1), '09:00'))

  await me.say('add a task to buy milk')
  await me.say('add a task to finish the report on friday')
  await me.say('call mom every sunday at 6pm')
  expect((await me.task('mom')).recurrence).toMatch(/WEEKLY.*SU/)

  const week = await me.say('what do I have to do?')
  for (const word of ['dentist', 'milk', 'report', 'mom']) expect(week).toMatch(new RegExp(word, 'i'))

  await me.say('remember that I never take calls before ten')
  expect(await me.say('what do you remember about me?')).toMatch(/calls before ten/i)
  const { items } = await me.call<Page<{ text: string }>>('GET', '/v1/memories')
  expect(items).toHaveLength(1)
}

async function changeOfMind(me: Me): Promise<void> {
  await me.say('move the report to tomorrow at 3pm')
  expect((await me.task('report')).due).toMatchObject({ date: day(1), time: '15:00' })
  await me.say('make the report high priority')
  expect((await me.task('report')).priority).toBe('high')
  await me.say('I bought the milk')
  expect((await me.task('milk')).status).toBe('completed')
}

/** The phone goes through a tunnel; what happens meanwhile waits for it. */
async function loseTheLine(me: Me, phone: Listener, laptop: Listener): Promise<void> {
  const connects = phone.connects()
  phone.drop()
  await me.say('add a task to water the garden tonight')
  const made = (heard: Listener) =>
    heard.heard.some(({ event, data }) => event === 'task.created' && titleOf(data).includes('garden'))
  expect(await laptop.until(() => made(laptop))).toBe(true)
  expect(await phone.until(() => made(phone))).toBe(true)
  expect(phone.connects()).toBe(connects + 1)
}

/** A reminder and a schedule are on time where somebody listens, and wait where nobody does. */
async function ring(me: Me, laptop: Listener): Promise<void> {
  for (const { title, at } of [await remindIn(me, 'stretch', 2), await scheduleIn(me, 'breathe', 3)]) {
    const heard = () =>
      laptop.heard.find(({ event, data }) => event === 'notification.created' && titleOf(data) === title)
    expect(await laptop.until(() => heard() !== undefined)).toBe(true)
    const late = performance.timeOrigin + (heard()?.atMs ?? Infinity) - Date.parse(at)
    expect(late).toBeGreaterThan(-1000)
    expect(late).toBeLessThan(RINGS_WITHIN_MS)
    const { items } = await me.call<Page<Notification>>('GET', '/v1/notifications?unread=true&limit=1')
    expect(items).toMatchObject([{ title, scheduledAt: at, readAt: null }])
  }
}

async function scheduleIn(me: Me, title: string, seconds: number): Promise<{ title: string; at: string }> {
  const at = new Date(Math.ceil(Date.now() / 1000 + seconds) * 1000).toISOString()
  const when = { kind: 'at', at: { date: at.slice(0, 10), time: at.slice(11, 19) }, timeZone: 'UTC' }
  await me.call('POST', '/v1/schedules', { name: title, when, action: { kind: 'notify', title } })
  return { title, at }
}

async function remindIn(me: Me, title: string, seconds: number): Promise<{ title: string; at: string }> {
  const at = new Date(Math.ceil(Date.now() / 1000 + seconds) * 1000).toISOString()
  const remindAt = { date: at.slice(0, 10), time: at.slice(11, 19), timeZone: 'UTC' }
  await me.call('POST', '/v1/tasks', { title, remindAt })
  return { title, at }
}

async function undo(me: Me): Promise<void> {
  await me.say('add a task to sell the piano')
  await me.task('piano')
  await me.say('undo that')
  expect((await me.tasks()).some(({ title }) => title.includes('piano'))).toBe(false)
}

/** Every device has heard each thing as it now is, and all of them the same in the same order. */
async function hearAll(me: Me, devices: Listener[]): Promise<void> {
  const memories = (await me.call<Page<Kept>>('GET', '/v1/memories')).items
  const things: Kept[] = [...(await me.tasks()), ...memories]
  for (const device of devices) {
    const known = () => new Set(device.heard.map(({ data }) => `${field(data, 'id')} ${field(data, 'version')}`))
    const missing = () => things.filter(({ id, version }) => !known().has(`${id} ${version}`))
    await device.until(() => missing().length === 0)
    expect(missing()).toEqual([])
  }
  const ids = () => devices.map(({ heard }) => heard.map(({ id }) => id))
  const isSame = () => new Set(ids().map(String)).size === 1
  await Promise.race(devices.map((device) => device.until(isSame)))
  const [first = [], ...others] = ids()
  for (const other of others) expect(other).toEqual(first)
  expect(new Set(first).size).toBe(first.length)
}

/** All that this person has, as anybody may read it who is this person. */
async function everything(me: Me): Promise<object> {
  const paths = [
    '/v1/me',
    '/v1/tasks?limit=100',
    '/v1/memories',
    `/v1/conversations/${me.conversation}/messages?limit=100`,
  ]
  return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await me.call('GET', path)])))
}

async function eachHears(devices: Listener[], name: string, title: string): Promise<void> {
  for (const device of devices) {
    const isHeard = () => device.heard.some(({ event, data }) => event === name && titleOf(data) === title)
    expect({ name, title, heard: await device.until(isHeard) }).toMatchObject({ heard: true })
  }
}

function field(data: unknown, name: string): string {
  return typeof data === 'object' && data !== null && name in data ? String(Reflect.get(data, name)) : ''
}

const titleOf = (data: unknown): string => field(data, 'title')

/** The instant of a wall clock in Berlin. */
function wall(date: string, time: string): string {
  const guess = new Date(`${date}T${time}:00Z`)
  const there = new Date(guess.toLocaleString('en-US', { timeZone: ZONE }))
  const utc = new Date(guess.toLocaleString('en-US', { timeZone: 'UTC' }))
  return new Date(guess.getTime() - (there.getTime() - utc.getTime())).toISOString()
}
