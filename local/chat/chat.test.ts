import { expect, test } from 'vitest'
import { sayMoment, tasksIn } from './show.ts'
import { readEvents } from './sse.ts'

function streamOf(chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

test('events are read whole, however the bytes arrive', async () => {
  const text =
    'retry: 1000\n\nid: e:1\nevent: message.delta\ndata: {"text":"grüß\\n\\ndich"}\n\n: still here\n\nevent: odd\ndata: {\n\nevent: none\ndata: null\n\n'
  for (const size of [1, 7, 1000]) {
    const bytes = new TextEncoder().encode(text)
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.slice(n * size, (n + 1) * size),
    )
    const events = await Array.fromAsync(readEvents(streamOf(chunks)))
    expect(events).toEqual([
      { id: 'e:1', event: 'message.delta', data: { text: 'grüß\n\ndich' } },
      { id: '', event: 'none', data: {} },
    ])
  }
})

test('a day is named as seen from the zone of the person', () => {
  const evening = new Date('2026-11-23T23:30:00Z')
  const moment = (date: string, time: string | null = null) => ({ date, time, timeZone: 'UTC', at: '' })
  expect(sayMoment(moment('2026-11-24', '09:00:00'), 'UTC', evening)).toBe('tomorrow 09:00')
  expect(sayMoment(moment('2026-11-24'), 'Europe/Berlin', evening)).toBe('today')
  expect(sayMoment(moment('2026-11-27'), 'UTC', evening)).toBe('Friday')
  expect(sayMoment(moment('2026-12-07'), 'UTC', evening)).toBe('Mon 2026-12-07')
  expect(sayMoment(moment('2026-11-22'), 'UTC', evening)).toBe('yesterday')
})

test('tasks are found wherever a tool answers them', () => {
  const task = { id: 'task_1', title: 'One', status: 'pending', version: 2, due: null }
  expect(tasksIn({ task, next: null })).toEqual([task])
  expect(tasksIn({ items: [task, { id: 'prj_1', title: 'No', version: 1 }] })).toEqual([task])
  expect(tasksIn('task_1')).toEqual([])
})
