import { expect, test } from 'vitest'
import { makeDecision } from '#test/ai-call'
import { makePerson } from '#test/database'
import type { Answering, Said } from './ask.ts'
import { type Teller, toStream } from './stream.ts'

const PIECE = 'x'.repeat(1000)
const teller: Teller = { open: () => '<', tell: (said) => (said.type === 'text' ? said.text : '>'), fail: () => '!' }

/** An answer that goes on until it is told to stop, and knows how far it came. */
async function endless(broken = false) {
  const controller = new AbortController()
  const was = { told: 0, settled: false }
  async function* speak(): AsyncGenerator<Said> {
    try {
      while (!broken || was.told < 3) {
        controller.signal.throwIfAborted()
        was.told++
        yield { type: 'text', text: PIECE }
      }
      throw new TypeError('broken')
    } finally {
      was.settled = true
    }
  }
  const events = speak()
  const start: Answering['start'] = {
    type: 'start',
    overhead: { choiceUs: 0, reserveUs: 0, cacheUs: 0 },
    decision: makeDecision('aic_1', { provider: 'offline', model: 'm' }),
  }
  const close = async () => void (await events.return(undefined))
  const stream = toStream(await makePerson(), { start, upstreamMs: 0, events, close }, teller, controller)
  return { ...stream, was }
}

test('no more is made than a bound before it is read, and more as it is', async () => {
  const { body, was } = await endless()
  const reader = body.getReader()
  await reader.read()
  await reader.read()
  expect(was.told).toBeGreaterThan(1)
  expect(was.told).toBeLessThan(50)
  const before = was.told
  for (let reads = 0; reads < 5; reads++) await reader.read()
  expect(was.told).toBeGreaterThan(before)
  await reader.cancel()
})

test('a reader that leaves lets the work come to its end before the request is over', async () => {
  const { body, over, was } = await endless()
  const reader = body.getReader()
  await reader.read()
  expect(was.settled).toBe(false)
  await reader.cancel()
  await over
  expect(was.settled).toBe(true)
})

test('what fails in the middle is said, and the stream ends', async () => {
  const { body, over } = await endless(true)
  expect(await new Response(body).text()).toBe(`<${PIECE.repeat(3)}!`)
  await over
})
