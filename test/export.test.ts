import { createHash } from 'node:crypto'
import { strFromU8, unzipSync } from 'fflate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { firstOf, plain, readCalendar } from './icalendar.ts'
import { OBJECTS } from './matrix-objects.ts'
import { makeArchive } from './proofs/lib-archive.ts'
import { makeId, type Person, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

type Manifest = { version: number; files: { name: string; items: number; bytes: number; sha256: string }[] }

async function exported(person: Person) {
  const id = await makeArchive(person)
  const headers = { authorization: `Bearer ${person.accessToken}` }
  const answer = await fetch(`${world.url}/v1/me/exports/${id}/archive`, { headers })
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const files = unzipSync(bytes)
  const text = (name: string) => strFromU8(files[name] ?? new Uint8Array())
  const manifest: Manifest = JSON.parse(text('manifest.json'))
  const items = (name: string): Record<string, unknown>[] => JSON.parse(text(`${name}.json`))
  return { id, answer, bytes, files, text, manifest, items }
}

test('the archive holds what the person has, each file as the manifest says, and nobody else’s and no secret', async () => {
  const [person, other] = [await world.person(), await world.person()]
  await person.api('POST', '/v1/memories', { body: { text: 'likes *stars*\nand lines' } })
  await other.api('POST', '/v1/memories', { body: { text: 'of another' } })
  for (const path of ['/v1/api-keys', '/v1/conversations', '/v1/turns', '/v1/notifications', '/v1/mcp/servers'])
    await OBJECTS[path]?.make(world, person, 'a mark')
  const { answer, bytes, files, text, manifest, items } = await exported(person)
  expect(answer.headers.get('content-type')).toBe('application/zip')
  expect(Number(answer.headers.get('content-length'))).toBe(bytes.length)
  expect(manifest.version).toBe(1)
  const digests = manifest.files.map(({ name, bytes: size, sha256 }) => [name, size, sha256])
  const real = Object.entries(files).filter(([name]) => name !== 'manifest.json')
  const expected = real.map(([name, file]) => [name, file.length, createHash('sha256').update(file).digest('hex')])
  expect(digests).toEqual(expected)
  for (const { name, items: count } of manifest.files)
    if (name.endsWith('.json')) expect([name, items(name.slice(0, -5)).length]).toEqual([name, count])
  expect(items('profile')).toMatchObject([{ id: person.userId, email: person.email }])
  expect(items('memories')).toMatchObject([{ text: 'likes *stars*\nand lines' }])
  expect(text('memories.md')).toContain('- likes \\*stars\\*\n  and lines (fact, ')
  expect(items('messages').length).toBeGreaterThan(1)
  expect(items('usage').length).toBeGreaterThan(0)
  expect(items('audit').map(({ seq }) => seq)).toEqual(items('audit').map((_, at) => at + 1))
  expect(items('audit').length).toBeGreaterThan(5)
  expect(items('ai-budget')).toMatchObject([{ plan: 'free' }])
  for (const name of ['api-keys', 'mcp-servers', 'notifications', 'sessions', 'mail'])
    expect([name, items(name).length]).toEqual([name, expect.toBeOneOf([1, 2, 3])])
  const all = Object.keys(files).map(text).join('\n')
  expect(all).not.toContain(other.userId)
  const [secrets] = await world.query(
    `select (select password_hash from credentials where user_id = $1) as password,
      (select hash from api_keys where user_id = $1) as key, (select hash from refresh_tokens r join sessions s
        on s.id = r.session_id where s.user_id = $1 limit 1) as token`,
    [person.userId],
  )
  for (const secret of [...Object.values(secrets ?? {}).map(String), person.accessToken, person.refreshToken])
    expect(all).not.toContain(secret)
})

test('tasks with a due date are an iCalendar stream that a strict reader takes', async () => {
  const person = await world.person()
  const title = 'Caf\u00e9, "tea"; \\ and \u{1f600} '.repeat(5).trim()
  const tasks: object[] = [
    {
      title,
      notes: 'one\ntwo',
      due: { date: '2030-06-01', time: '09:00', timeZone: 'Europe/Berlin' },
      labels: ['a,b'],
    },
    { title: 'a day', due: { date: '2030-06-02' } },
    { title: 'again', due: { date: '2030-06-03', time: '07:30' }, recurrence: 'FREQ=WEEKLY;BYDAY=MO' },
    { title: 'each day', due: { date: '2030-06-04' }, recurrence: 'FREQ=DAILY' },
    { title: 'whenever' },
  ]
  for (const body of tasks) expect((await person.api('POST', '/v1/tasks', { body })).status).toBe(201)
  const { text, manifest } = await exported(person)
  const { components: todos } = readCalendar(text('tasks.ics'))
  expect(todos.map((todo) => plain(firstOf(todo, 'SUMMARY')))).toEqual([title, 'a day', 'again', 'each day'])
  expect(manifest.files.find(({ name }) => name === 'tasks.ics')?.items).toBe(4)
  const times = todos.map((todo) => ['DTSTART', 'DURATION', 'DUE', 'RRULE'].map((name) => firstOf(todo, name) ?? ''))
  expect(times).toEqual([
    ['', '', '20300601T070000Z', ''],
    ['', '', '20300602', ''],
    ['20300603T000000', 'PT7H30M', '', 'FREQ=WEEKLY;BYDAY=MO'],
    ['20300604', 'P1D', '', 'FREQ=DAILY'],
  ])
  expect(plain(firstOf(todos[0] ?? { name: '', properties: [], components: [] }, 'DESCRIPTION'))).toBe('one\ntwo')
})

test('series of events come with the clocks of their zones, each once', async () => {
  const person = await world.person()
  for (const timeZone of ['Europe/Berlin', 'America/New_York', 'Europe/Berlin']) {
    const start = { date: '2030-01-07', time: '09:00', timeZone }
    const body = { title: timeZone, start, recurrence: 'FREQ=WEEKLY;BYDAY=MO' }
    expect((await person.api('POST', '/v1/calendar/events', { body })).status).toBe(201)
  }
  const { components } = readCalendar((await exported(person)).text('calendar_events.ics'))
  expect(components.map((one) => firstOf(one, 'TZID') ?? one.name)).toEqual([
    ...['VEVENT', 'VEVENT', 'VEVENT'],
    ...['America/New_York', 'Europe/Berlin'],
  ])
})

test('however much there is, it is read and written in pieces, each thing once', async () => {
  const person = await world.person()
  const count = 1250
  await world.query(
    `insert into tasks (id, user_id, title, position, notes)
      select 'task_' || lpad(n::text, 26, '0'), $1, 't' || n, n,
        (select string_agg(md5(random()::text), '') from generate_series(1, 500) g where g > n * 0)
      from generate_series(1, ${count}) n`,
    [person.userId],
  )
  const { bytes, items, manifest } = await exported(person)
  expect(bytes.length).toBeGreaterThan(9 * 1024 * 1024)
  expect(new Set(items('tasks').map(({ id }) => id)).size).toBe(count)
  expect(manifest.files.find(({ name }) => name === 'tasks.json')?.items).toBe(count)
})

test('one is made at a time, it is its person’s alone, and it takes a fresh sign-in', async () => {
  const [person, other] = await world.people(2)
  if (!person || !other) throw new Error('nobody')
  const [one, two] = await Promise.all([person.api('POST', '/v1/me/export'), person.api('POST', '/v1/me/export')])
  expect([one.status, two.status].sort()).toEqual([202, 409])
  const { id } = await exported(other)
  for (const path of [`/v1/me/exports/${id}`, `/v1/me/exports/${id}/archive`])
    expect((await person.api('GET', path)).status).toBe(404)
  const token = await world.token(person.userId, person.sessionId, { claims: { auth_time: 1 } })
  expect(await world.call('POST', '/v1/me/export', { token })).toMatchObject({ json: { code: 'step_up_required' } })
})

test('after seven days archive and row are gone, and nothing else is', async () => {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody')
  const [old, fresh] = [await exported(person), await exported(person)]
  await world.query("update data_exports set expires_at = now() - interval '1 second' where id = $1", [old.id])
  expect((await person.api('GET', `/v1/me/exports/${old.id}/archive`)).status).toBe(404)
  await world.scheduled()
  const bucket = await world.worker.miniflare.getR2Bucket('FILES')
  const { objects } = await bucket.list({ prefix: `exports/${person.userId}/` })
  expect(objects.map(({ key }) => key)).toEqual([`exports/${person.userId}/${fresh.id}/archive.zip`])
  expect((await person.api('GET', '/v1/me/exports')).json).toMatchObject({ items: [{ id: fresh.id }] })
})

test('an export whose Workflow was lost is gone on with, a few times', async () => {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody')
  const id = makeId('exp')
  const insert = `insert into data_exports (id, user_id, lease_until, attempts) values ($1, $2, now(), $3)`
  await world.query(insert, [id, person.userId, 1])
  await world.scheduled()
  const state = async () => JSON.parse((await person.api('GET', `/v1/me/exports/${id}`)).text).state
  await expect.poll(state, { timeout: 20_000 }).toBe('ready')
  const hopeless = makeId('exp')
  await world.query(insert, [hopeless, person.userId, 5])
  await world.scheduled()
  expect((await person.api('GET', `/v1/me/exports/${hopeless}`)).json).toMatchObject({ state: 'failed' })
})

test('a download that broke off goes on where it was, unless it is asked for of another archive', async () => {
  const person = await world.person()
  const { id, answer, bytes } = await exported(person)
  const again = async (headers: Record<string, string>) => {
    const init = { headers: { authorization: `Bearer ${person.accessToken}`, ...headers } }
    const part = await fetch(`${world.url}/v1/me/exports/${id}/archive`, init)
    return {
      status: part.status,
      range: part.headers.get('content-range'),
      bytes: new Uint8Array(await part.arrayBuffer()),
    }
  }
  const etag = answer.headers.get('etag') ?? ''
  const size = bytes.length
  expect(await again({ range: 'bytes=100-', 'if-range': etag })).toEqual({
    ...{ status: 206, range: `bytes 100-${size - 1}/${size}`, bytes: bytes.slice(100) },
  })
  expect(await again({ range: 'bytes=7-9' })).toEqual({
    status: 206,
    range: `bytes 7-9/${size}`,
    bytes: bytes.slice(7, 10),
  })
  const whole = { status: 200, range: null, bytes }
  const unheard: Record<string, string>[] = [
    { range: 'bytes=7-9', 'if-range': '"another"' },
    { range: `bytes=${size}-` },
    { range: 'bytes=9-7' },
    { range: 'bytes=-5' },
    { range: 'lines=1-2' },
  ]
  for (const headers of unheard) expect(await again(headers)).toEqual(whole)
})
