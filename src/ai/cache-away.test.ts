import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { makePerson, revoke } from '#test/database'
import { withEmbeddings } from '#test/embeddings'
import { findCached } from './cache.ts'
import type { Call } from './call.ts'

let local: Awaited<ReturnType<typeof withEmbeddings>>
beforeAll(async () => {
  local = await withEmbeddings(inject('vars'))
})
afterAll(() => local.stop())

const call: Call = {
  kind: 'chat',
  feature: 'compat.openai',
  share: { sources: [] },
  request: {
    system: '',
    volatileSystem: '',
    messages: [{ role: 'user', at: '2026-11-22T09:00:00.000Z', parts: [{ type: 'text', text: 'What is a fjord?' }] }],
    tools: [],
    maxOutputTokens: 100,
  },
}

test('an index of vectors that fails is no reason to answer nothing', async () => {
  const config = { ...local.config, ai: { ...local.config.ai, vectors: 'vectorize' as const } }
  const person = await makePerson({ config })
  const VECTORIZE = { query: () => Promise.reject(new Error('VECTOR_QUERY_ERROR (code = 40000): internal')) }
  const { STEWARD } = person.env
  const ctx = { ...person, env: { STEWARD, VECTORIZE } as unknown as Env }
  expect(await findCached(ctx, call)).toMatchObject({
    state: 'miss',
    reason: 'not asked before; the store of vectors does not answer',
    place: { text: 'What is a fjord?' },
  })
  await revoke(person)
  await expect(findCached(ctx, call)).rejects.toThrow()
})
