import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Embeddings, startEmbeddings } from './embeddings.ts'

type Answer = {
  data: { index: number; embedding: number[] }[]
  usage: { prompt_tokens: number }
  error: { message: string }
}

let service: Embeddings

beforeAll(async () => {
  service = await startEmbeddings()
})
afterAll(() => service.stop())

async function post(body: string, options: { path?: string; key?: string | null; method?: string } = {}) {
  const { path = '/embeddings', key = service.vars.EMBEDDINGS_API_KEY, method = 'POST' } = options
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  const response = await fetch(`${service.vars.EMBEDDINGS_BASE_URL}${path}`, {
    method,
    headers,
    ...(method === 'POST' && { body }),
  })
  const answer: Answer = await response.json()
  return { status: response.status, answer }
}
const ask = (input: unknown, more = {}) => post(JSON.stringify({ model: 'use-lite', input, ...more }))
const cosine = (a: number[] = [], b: number[] = []) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)

test('what means the same is near, what does not is far, in the order asked', async () => {
  const { status, answer } = await ask([
    'How do I get red wine out of a carpet?',
    'What removes red wine from a carpet?',
    'Who was the first emperor of Rome?',
  ])
  expect(status).toBe(200)
  const [wine, carpet, rome] = answer.data.map(({ embedding }) => embedding)
  expect(answer.data.map(({ index }) => index)).toEqual([0, 1, 2])
  expect(wine).toHaveLength(512)
  expect(cosine(wine, wine)).toBeCloseTo(1, 4)
  expect(cosine(wine, carpet)).toBeGreaterThan(0.7)
  expect(cosine(wine, rome)).toBeLessThan(0.4)
  expect(answer.usage.prompt_tokens).toBeGreaterThan(10)
})

test('a text has the same vector alone and in company', async () => {
  const [alone, together] = [await ask('hello there'), await ask(['something else that is longer', 'hello there'])]
  expect(cosine(alone.answer.data[0]?.embedding, together.answer.data[1]?.embedding)).toBeCloseTo(1, 5)
})

test('whoever has no key, or asks for what is not there, is told so', async () => {
  expect(await post('{}', { key: null })).toMatchObject({ status: 401, answer: { error: { message: /key/ } } })
  expect((await post('{}', { key: 'sk-guess' })).status).toBe(401)
  expect((await post('{}', { path: '/models' })).status).toBe(404)
  expect((await post('', { method: 'GET' })).status).toBe(405)
})

test('what cannot be embedded is refused with the field that is wrong', async () => {
  const refusals: [string, unknown, object, RegExp][] = [
    ['another model', 'a', { model: 'text-embedding-3-small' }, /model/],
    ['no text', [], {}, /input/],
    ['an empty text', [''], {}, /input/],
    ['too many texts', Array.from({ length: 97 }, () => 'a'), {}, /input/],
    ['a long text', ['x'.repeat(8001)], {}, /input/],
    ['numbers', [1, 2], {}, /input/],
    ['base64', 'a', { encoding_format: 'base64' }, /encoding_format/],
    ['other dimensions', 'a', { dimensions: 256 }, /dimensions/],
  ]
  for (const [what, input, more, problem] of refusals) {
    const { status, answer } = await ask(input, more)
    expect([what, status]).toEqual([what, 400])
    expect(answer.error.message).toMatch(problem)
  }
  expect(await post('{')).toMatchObject({ status: 400, answer: { error: { message: 'the body is not JSON' } } })
  expect((await post(' '.repeat(4_000_001))).status).toBe(413)
})

test('it stops while it is asked, and answers nobody after', async () => {
  const other = await startEmbeddings()
  const url = `${other.vars.EMBEDDINGS_BASE_URL}/embeddings`
  const body = JSON.stringify({ model: 'use-lite', input: Array.from({ length: 96 }, (_, i) => `text ${i}`) })
  const headers = { authorization: `Bearer ${other.vars.EMBEDDINGS_API_KEY}` }
  const asking = fetch(url, { method: 'POST', headers, body }).then(
    (response) => response.status,
    () => 'cut',
  )
  await other.stop()
  expect(await asking).toBe('cut')
  await expect(fetch(url)).rejects.toThrow()
})
