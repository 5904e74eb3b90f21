import { runInDurableObject, SELF } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { createInflight } from '#ai'

const free = () => new AbortController().signal

/** A call with real input and output: a response that is read, and a wait. */
function upstream() {
  let calls = 0
  const start = async function* () {
    calls++
    const response = await SELF.fetch('http://aurelius.test/health')
    yield 'begun'
    await scheduler.wait(50)
    yield await response.text()
  }
  return { start, calls: () => calls }
}
const all = async (events: AsyncIterable<string>) => {
  const got: string[] = []
  for await (const event of events) got.push(event)
  return got
}

test('two events of one object share a call, and the first one ending early leaves it to the second', async () => {
  const stub = env.USER_SESSION.getByName(crypto.randomUUID())
  const inflight = createInflight<string>()
  const { start, calls } = upstream()
  const leaving = runInDurableObject(stub, async () => {
    const { events, isLeader } = inflight.share('k', start, free())
    const first = await events.next()
    await events.return?.()
    return [isLeader, first.value]
  })
  const staying = runInDurableObject(stub, async () => {
    const { events, isLeader } = inflight.share('k', start, free())
    return [isLeader, await all(events)]
  })
  expect(await leaving).toEqual([true, 'begun'])
  expect(await staying).toEqual([false, ['begun', '{"status":"ok"}']])
  expect([calls(), inflight.size()]).toEqual([1, 0])
})
