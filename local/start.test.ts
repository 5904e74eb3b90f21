import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { treeCpuS } from '../test/cpu.ts'
import { freePort } from './free-port.ts'
import { startPostgres } from './postgres.ts'

type Run = { child: ChildProcess; said: () => string; ended: Promise<number | null> }

const SLOW_MS = 60_000
const ENV = { ...process.env, ANTHROPIC_API_KEY: '', AURELIUS_PASSWORD: '', npm_lifecycle_event: '' }
const running: ChildProcess[] = []
// Processor seconds that each start took until it was ready.
const starts: number[] = []

function run(script: string, args: string[], input = '', env = {}): Run {
  return listen(
    spawn(process.execPath, [join(import.meta.dirname, script), ...args], { env: { ...ENV, ...env } }),
    input,
  )
}

function listen(child: ChildProcessWithoutNullStreams, input = ''): Run {
  running.push(child)
  let said = ''
  const hear = (chunk: Buffer) => {
    said += chunk
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.stdin.end(input)
  return { child, said: () => said, ended: once(child, 'close').then(([code]) => code) }
}

async function ready(started: Run): Promise<Run> {
  const isReady = new Promise<void>((resolve) => {
    started.child.stdout?.on('data', () => {
      if (started.said().includes('Aurelius is ready at')) resolve()
    })
  })
  await Promise.race([isReady, started.ended])
  starts.push(treeCpuS(started.child.pid ?? 0))
  expect(started.said()).toContain('Aurelius is ready at')
  return started
}

describe('npm start', { timeout: SLOW_MS }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'aurelius-start-'))
  const data = join(folder, 'data')
  let port: number
  let url: string
  let server: Run
  let token: string

  const start = () => run('start.ts', ['--port', `${port}`, '--data', data])
  const call = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    expect(answer.ok).toBe(true)
    return await answer.json<Record<string, string>>()
  }
  const titles = async () => {
    const { items } = await (await fetch(`${url}/v1/tasks`, { headers: { authorization: `Bearer ${token}` } })).json<{
      items: { title: string }[]
    }>()
    return items.map(({ title }) => title)
  }

  beforeAll(async () => {
    port = await freePort()
    url = `http://127.0.0.1:${port}`
    server = await ready(start())
  }, SLOW_MS)
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  })

  test('says one line when it is ready, and is', async () => {
    expect(server.said().match(/^Aurelius is ready at (.*)$/m)?.[1]).toBe(url)
    expect(server.said()).toContain('offline')
    expect((await fetch(`${url}/health/ready`)).status).toBe(200)
  })

  test('runs embeddings of its own and keeps vectors in its database', async () => {
    const { dependencies } = await (await fetch(`${url}/health/ready`)).json<{ dependencies: object[] }>()
    expect(dependencies).toContainEqual(
      expect.objectContaining({ name: 'embeddings', status: 'ok', provider: 'openai-compatible' }),
    )
    expect(dependencies).toContainEqual(
      expect.objectContaining({ name: 'vectors', status: 'ok', provider: 'pgvector' }),
    )
  })

  test('says where its mail ends, and a script reads the welcome there', async () => {
    const mailbox = server.said().match(/its mail +(http\S+)/)?.[1]
    const person = { email: 'mail@example.com', password: 'correct horse battery staple', displayName: 'Sam' }
    await call('POST', '/v1/auth/register', person)
    const arrived = async () => {
      const { items } = await (await fetch(`${mailbox}/messages?to=mail@example.com`)).json<{ items: object[] }>()
      expect(items).toContainEqual(
        expect.objectContaining({ kind: 'welcome', text: expect.stringContaining('Hello Sam,') }),
      )
    }
    await vi.waitFor(arrived, { timeout: 5000, interval: 50 })
    expect(statSync(join(data, 'mailbox.json')).mode & 0o077).toBe(0)
  })

  test('keeps its secrets to itself', () => {
    expect(statSync(join(data, 'secrets.json')).mode & 0o077).toBe(0)
  })

  test('says which port is taken', async () => {
    const second = run('start.ts', ['--port', `${port}`, '--data', join(folder, 'other')])
    expect(await second.ended).toBe(1)
    expect(second.said()).toContain(`port ${port} is taken`)
  })

  test('says that the data folder is in use', async () => {
    const second = run('start.ts', ['--port', `${await freePort()}`, '--data', data])
    expect(await second.ended).toBe(1)
    expect(second.said()).toMatch(/data folder .* is in use by process \d+/)
    const reset = run('reset.ts', ['--data', data, '--yes'])
    expect(await reset.ended).toBe(1)
    expect(reset.said()).toContain('in use')
  })

  test('a wrong option is said with the right ones, and every wrong setting at once', async () => {
    const option = run('start.ts', ['--prot', '1'])
    expect(await option.ended).toBe(1)
    expect(option.said()).toMatch(/^Aurelius did not start: Unknown option '--prot'\nUse: .*--port.*\n$/)
    const setting = run('start.ts', [], '', { LOG_LEVEL: 'loud', RATE_LIMIT_FACTOR: '0' })
    expect(await setting.ended).toBe(1)
    expect(setting.said()).toMatch(/- RATE_LIMIT_FACTOR: .*\n- LOG_LEVEL: /)
    const unpriced = run('start.ts', [], '', { ANTHROPIC_API_KEY: 'sk-x', ANTHROPIC_MODEL: 'claude-nobody-knows' })
    expect(await unpriced.ended).toBe(1)
    expect(unpriced.said()).toMatch(/did not start: No price is known for the model claude-nobody-knows: name one of /)
  })

  test('a conversation is had from a script', async () => {
    const chat = run('chat.ts', ['--url', url, '--data', data], 'add buy oat milk tomorrow\n/tasks\n')
    expect([await chat.ended, chat.said()]).toEqual([0, expect.stringContaining('Registered as')])
    expect(chat.said()).toMatch(/○ buy oat milk/i)
    expect(statSync(join(data, 'chat.json')).mode & 0o077).toBe(0)
  })

  test('the demo week is added once', async () => {
    const seed = () => run('seed.ts', ['--url', url, '--data', data])
    const first = seed()
    const added = expect.stringMatching(
      /Added: tasks 3\d, events 9, schedules 1, workflows 2, memories 5,\sconversations 1/,
    )
    expect([await first.ended, first.said()]).toEqual([0, added])
    const second = seed()
    expect(await second.ended).toBe(0)
    expect(second.said()).toMatch(/Added: tasks 0, events 0, schedules 0, workflows 0, memories 0,\sconversations 0/)
  })

  test('SIGTERM stops it cleanly, and the next start has everything', async () => {
    const person = { email: 'sam@example.com', password: 'correct horse battery staple', displayName: 'Sam' }
    token = (await call('POST', '/v1/auth/register', person))['accessToken'] ?? ''
    await call('POST', '/v1/tasks', { title: 'before the stop' })
    server.child.kill('SIGTERM')
    expect(await server.ended).toBe(0)
    expect(server.said()).toContain('Stopped.')
    // As an older version left it: what is missing is made, what is there stays.
    const path = join(data, 'secrets.json')
    const { ENCRYPTION_KEYS: _, ...before } = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify(before))
    server = await ready(start())
    expect(await titles()).toEqual(['before the stop'])
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ...before, ENCRYPTION_KEYS: expect.any(String) })
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  test('SIGKILL loses nothing either', async () => {
    await call('POST', '/v1/tasks', { title: 'before the kill' })
    server.child.kill('SIGKILL')
    await server.ended
    server = await ready(start())
    expect(await titles()).toEqual(['before the kill', 'before the stop'])
    server.child.kill('SIGKILL')
    await server.ended
  })

  test('a reminder that was set right before SIGKILL rings within seconds of the next start', async () => {
    const postgres = await startPostgres({ dataDir: join(data, 'postgres') })
    const [task] = await postgres.query(
      `update tasks set remind_at = now(), remind_date = current_date, remind_time = localtime(0), remind_zone = 'UTC',
        version = 2 where title = 'before the kill' returning id, user_id`,
    )
    // Committed, and on its way to nobody: the process that sent it to its queue is gone.
    await postgres.query(
      `insert into outbox (id, type, user_id, room, key, version, data, available_at) values
        ($1 || '.2.task.updated', 'task.updated', $2, 'tasks', $1, 2, jsonb_build_object('id', $1::text, 'status', 'pending',
        'version', 2, 'deletedAt', null, 'remindAt', jsonb_build_object('at', now())), now() + interval '1 minute')`,
      [task?.id, task?.user_id],
    )
    await postgres.close()
    server = await ready(start())
    const headers = { authorization: `Bearer ${token}` }
    const rung = async () => {
      const { items } = await (await fetch(`${url}/v1/notifications`, { headers })).json<{
        items: { title: string }[]
      }>()
      expect(items.map(({ title }) => title)).toEqual(['before the kill'])
    }
    await vi.waitFor(rung, { timeout: 5000, interval: 100 })
    server.child.kill('SIGKILL')
    await server.ended
  })

  test('a Ctrl-C that the shell and npm both hand on stops it cleanly', async () => {
    server = await ready(start())
    server.child.kill('SIGINT')
    server.child.kill('SIGINT')
    expect(await server.ended).toBe(0)
    expect(server.said()).toContain('Stopped.')
  })

  test('SIGTERM to the shell that npm puts in between stops it too', async () => {
    const command = `"${process.execPath}" "${join(import.meta.dirname, 'start.ts')}" --port ${port} --data "${data}"; true`
    const env = { ...ENV, npm_lifecycle_event: 'start' }
    server = await ready(listen(spawn('sh', ['-c', command], { env })))
    server.child.kill('SIGTERM')
    await server.ended
    expect(server.said()).toContain('Stopped.')
    const reset = run('reset.ts', ['--data', data, '--yes'])
    expect(await reset.ended).toBe(0)
  })

  test('alone on one core, the first start would be ready within 25 s and every later one within 10 s', () => {
    const [first, ...later] = starts
    expect(first).toBeLessThan(25)
    expect(later.length).toBeGreaterThan(3)
    expect(Math.max(...later)).toBeLessThan(10)
  })
})
