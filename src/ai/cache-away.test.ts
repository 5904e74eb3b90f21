import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { countVectors } from '#search'
import { embeddings } from '#search/tables'
import { makePerson, type Person, revoke } from '#test/database'
import { withEmbeddings } from '#test/embeddings'
import { clearCache, findCached } from './cache.ts'
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

const keepVector = ({ db, actor: { userId } }: Person) =>
  db.insert(embeddings).values({ key: `${userId}.a`, userId, kind: 'answer', id: 'a', space: 'm1', meta: {} })

/** Somebody whose vectors are kept in an index that does this. */
async function withIndex(VECTORIZE: object) {
  const config = { ...local.config, ai: { ...local.config.ai, vectors: 'vectorize' as const } }
  const person = await makePerson({ config })
  const { STEWARD } = person.env
  return { ...person, env: { STEWARD, VECTORIZE } as unknown as Env }
}
const PASSED_BY = {
  state: 'miss',
  reason: 'not asked before; the store of vectors does not answer',
  place: { text: 'What is a fjord?' },
}

test('an index of vectors that fails, or answers something else, is no reason to answer nothing', async () => {
  const failing = () => Promise.reject(new Error('VECTOR_QUERY_ERROR (code = 40000): internal'))
  const ctx = await withIndex({ query: failing })
  expect(await findCached(ctx, call)).toMatchObject(PASSED_BY)
  expect(await findCached(await withIndex({ query: async () => 'another page' }), call)).toMatchObject(PASSED_BY)
  await revoke(ctx)
  await expect(findCached(ctx, call)).rejects.toThrow()
})

test('an index of vectors that hangs is waited for a moment by who asks, and eight seconds by who forgets', async () => {
  const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const hang = (n: number) => () => {
    asked[n]?.resolve()
    return new Promise(() => {})
  }
  const ctx = await withIndex({ query: hang(0), deleteByIds: hang(1) })
  await keepVector(ctx)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const found = findCached(ctx, call)
    await asked[0]?.promise
    await vi.advanceTimersByTimeAsync(1500)
    expect(await found).toMatchObject(PASSED_BY)
    const cleared = expect(clearCache(ctx)).rejects.toMatchObject({ code: 'unavailable' })
    await asked[1]?.promise
    await vi.advanceTimersByTimeAsync(8000)
    await cleared
  } finally {
    vi.useRealTimers()
  }
  expect(await countVectors(ctx, ctx.actor.userId)).toBe(1)
})
