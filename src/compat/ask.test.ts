import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { AppError } from '#core'
import { makePerson } from '#test/database'
import { startOpenAiFake } from '#test/openai-fake'
import { ask } from './ask.ts'

test.each([0, 1])('beyond the limit no model is asked, at a temperature of %d', async (temperature) => {
  const fake = await startOpenAiFake({ models: ['llama'] })
  try {
    const config = readConfig({ ...inject('vars'), OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama=1/2@131072/8192' })
    const person = await makePerson({ config })
    const shared: unknown[] = []
    const shareCall = async (asked: unknown) => {
      shared.push(asked)
      return new Blob([]).stream()
    }
    const object = { getByName: () => ({ shareCall, leaveCall: async () => undefined }) }
    const env = new Proxy(person.env, { get: (at, name) => (name === 'USER_SESSION' ? object : Reflect.get(at, name)) })
    const admitted = Promise.reject(new AppError('rate_limited', 'Too many'))
    const asked = {
      ...{ model: 'llama', system: '', tools: [], temperature, maxOutputTokens: 9, isParallel: true },
      messages: [{ role: 'user' as const, at: '2026-11-22T09:00:00Z', parts: [{ type: 'text' as const, text: 'hi' }] }],
    }
    const said = ask({ ...person, env, admitted }, 'compat.openai', asked, false, new AbortController().signal)
    await expect(said).rejects.toMatchObject({ code: 'rate_limited' })
    expect([shared, fake.requests]).toEqual([[], []])
  } finally {
    await fake.stop()
  }
})
