import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startOpenAiFake } from '../local/openai-fake.ts'
import { type Person, startWorld, type World } from './world.ts'

let hearer: Awaited<ReturnType<typeof startOpenAiFake>>
let world: World
let person: Person
let openai: OpenAI

beforeAll(async () => {
  hearer = await startOpenAiFake({ models: ['whisper-1'], apiKey: 'sk-hearer' })
  const vars = {
    TRANSCRIPTION_PROVIDER: 'openai-compatible',
    TRANSCRIPTION_BASE_URL: `${hearer.url}/v1`,
    TRANSCRIPTION_API_KEY: 'sk-hearer',
    TRANSCRIPTION_MODEL: 'whisper-1=0.006',
  }
  world = await startWorld({ vars })
  person = await world.person()
  openai = new OpenAI({ apiKey: person.accessToken, baseURL: `${world.url}/compat/openai/v1`, maxRetries: 0 })
}, 60_000)
afterAll(async () => {
  await world.stop()
  await hearer.stop()
})

/** A WAV file of one second, 16 kHz and 16 bit, in which these words are "spoken". */
function recording(words: string) {
  const bytes = Buffer.alloc(32_000, ' ')
  bytes.write('RIFF....WAVEfmt ')
  bytes.writeUInt32LE(32_000, 28)
  bytes.write(words, 44)
  return toFile(bytes, 'memo.wav', { type: 'audio/wav' })
}
const failure = (asked: Promise<unknown>) => asked.then(String, (error: unknown) => error)

test("an unmodified client's recording is heard, and paid for by the second from its person's budget", async () => {
  const file = await recording('remind me to buy milk')
  const asked = openai.audio.transcriptions.create({ model: 'whisper-1', file, language: 'en' })
  const { data, response } = await asked.withResponse()
  expect(data).toEqual({ text: 'remind me to buy milk', usage: { type: 'duration', seconds: 1, cost_micros: 100 } })
  const told = ['model', 'provider', 'cost-micros'].map((name) => response.headers.get(`aurelius-${name}`))
  expect(told).toEqual(['whisper-1', 'openai-compatible', '100'])
  const { data: models } = await openai.models.list()
  expect(models.map(({ id }) => id)).toContain('whisper-1')
  const { json: usage } = await person.api('GET', '/v1/ai/usage')
  expect(usage).toMatchObject({
    total: { calls: 1, costMicros: 100, estimatedMicros: 0, inputTokens: 0 },
    kinds: [{ kind: 'transcribe' }],
    models: [{ model: 'whisper-1' }],
  })
})

test('what is no recording, another model or over the budget is refused in the protocol, and costs nothing', async () => {
  const file = await recording('hello')
  const create = (body: object) =>
    failure(openai.audio.transcriptions.create({ model: 'whisper-1', file, ...body } as never))
  expect(await create({ model: 'whisper-9' })).toMatchObject({ status: 404, code: 'model_not_found' })
  expect(await create({ language: 'English' })).toMatchObject({ status: 400 })
  expect(await create({ stream: true })).toMatchObject({ status: 400 })
  expect(await create({ file: await toFile(new Uint8Array(), 'empty.wav') })).toMatchObject({ status: 400 })
  expect(await create({ file: await toFile(Buffer.alloc(25_000_001), 'long.wav') })).toMatchObject({ status: 413 })
  const none = { dayMicros: null, monthMicros: null }
  const body = { isPaused: false, caps: { own: { ...none, dayMicros: 150 }, background: none } }
  expect((await person.api('PUT', '/v1/ai/budget', { body })).status).toBe(200)
  expect(await create({})).toMatchObject({ status: 429 })
  expect((await person.api('GET', '/v1/ai/usage')).json).toMatchObject({ total: { calls: 1, costMicros: 100 } })
})
