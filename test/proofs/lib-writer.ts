import { randomUUID } from 'node:crypto'
import type { Chance } from './chance.ts'
import type { Report } from './lib-effects.ts'

/** A task as its writer was told it is. */
export type Held = { id: string; title: string; notes: string; version: number; isDone: boolean }
export type Writer = {
  held: Held[]
  /** Writes one thing after another until told to stop; what was not answered is asked for again, by the same key. */
  run(isOver: AbortSignal): Promise<void>
  /** Until nothing is left unanswered; how much was, when the time is up. */
  drain(withinMs: number): Promise<number>
}
export type WriterOptions = {
  name: string
  url: string
  token(): string
  chance: Chance
  /** Resolves when there is somebody to answer. */
  ready(): Promise<void>
  onAnswer(): void
  report: Report
}

type Wish = {
  kind: 'create' | 'patch' | 'complete'
  task: Held
  notes: string
  key: string
  tries: number
  notBeforeMs: number
}
type Answer = { status: number; body: unknown }

const ANSWER_WITHIN_MS = 20_000
const AGAIN_AFTER_MS = 100
// Whoever held the key died: it is free when its lease ends.
const HELD_AGAIN_AFTER_MS = 2000

/** Somebody who writes, remembers what was acknowledged, and never gives up on what was not. */
export function createWriter({ name, url, token, chance, ready, onAnswer, report }: WriterOptions): Writer {
  const held: Held[] = []
  const open: Wish[] = []
  let made = 0

  const isFree = (task: Held) => open.every((wish) => wish.task !== task)

  const wish = (): Wish => {
    const base = { notes: '', key: randomUUID(), tries: 0, notBeforeMs: 0 }
    const kind = chance.pick(['create', 'create', 'patch', 'patch', 'complete'] as const)
    const free = held.filter((task) => isFree(task) && (kind === 'patch' || !task.isDone))
    if (kind === 'create' || free.length === 0) {
      const title = `${name} ${++made}`
      return { ...base, kind: 'create', task: { id: '', title, notes: '', version: 0, isDone: false } }
    }
    return { ...base, kind, task: chance.pick(free), notes: kind === 'patch' ? randomUUID() : '' }
  }

  const next = (): Wish => {
    const index = open.findIndex(({ notBeforeMs }) => notBeforeMs <= performance.now())
    return (index >= 0 ? open.splice(index, 1)[0] : undefined) ?? wish()
  }

  const send = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: object,
  ): Promise<Answer> => {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/json', ...headers },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    return { status: answer.status, body: JSON.parse(await answer.text()) }
  }

  const ask = ({ kind, task, notes, key }: Wish): Promise<Answer> => {
    switch (kind) {
      case 'create':
        return send('POST', '/v1/tasks', { 'idempotency-key': key }, { title: task.title })
      case 'patch':
        return send('PATCH', `/v1/tasks/${task.id}`, { 'if-match': `"${task.version}"` }, { notes })
      case 'complete':
        return send('POST', `/v1/tasks/${task.id}/complete`, { 'idempotency-key': key })
    }
  }

  const again = (wish: Wish, afterMs: number) => {
    open.push({ ...wish, tries: wish.tries + 1, notBeforeMs: performance.now() + afterMs })
  }

  const acknowledge = ({ kind, task, notes }: Wish, body: unknown) => {
    onAnswer()
    task.version++
    if (kind === 'patch') task.notes = notes
    if (kind === 'complete') task.isDone = true
    if (kind !== 'create') return
    task.id = field(body, 'id')
    held.push(task)
  }

  // A patch has no key: its version tells whether the one that was not answered was done.
  const wasDone = async (wish: Wish): Promise<boolean> => {
    const { status, body } = await send('GET', `/v1/tasks/${wish.task.id}`, {})
    return (
      status === 200 && field(body, 'notes') === wish.notes && field(body, 'version') === `${wish.task.version + 1}`
    )
  }

  const attempt = async (wish: Wish) => {
    try {
      const { status, body } = await ask(wish)
      if (status < 300) return acknowledge(wish, body)
      if (status >= 500) return again(wish, AGAIN_AFTER_MS)
      if (field(body, 'code') === 'idempotency_in_progress') return again(wish, HELD_AGAIN_AFTER_MS)
      if (status === 412 && wish.tries > 0 && (await wasDone(wish))) return acknowledge(wish, body)
      report(`${wish.kind} of what was acknowledged before is answered ${status} ${field(body, 'code')}`)
    } catch {
      again(wish, AGAIN_AFTER_MS)
    }
  }

  return {
    held,
    async run(isOver) {
      while (!isOver.aborted) {
        await ready()
        await attempt(next())
      }
    },
    async drain(withinMs) {
      const deadline = performance.now() + withinMs
      while (open.length > 0 && performance.now() < deadline) {
        const soonest = open.toSorted((a, b) => a.notBeforeMs - b.notBeforeMs)[0]
        if (!soonest) break
        open.splice(open.indexOf(soonest), 1)
        await until(soonest.notBeforeMs)
        await attempt(soonest)
      }
      return open.length
    },
  }
}

const until = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms - performance.now())))

function field(body: unknown, name: string): string {
  return typeof body === 'object' && body !== null && name in body ? String(Reflect.get(body, name)) : ''
}
