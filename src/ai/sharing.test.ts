import { expect, test } from 'vitest'
import { callOf } from '#test/batch-world'
import { makePerson } from '#test/database'
import type { GatewayEvent } from './call.ts'
import { shareCall } from './sharing.ts'

test('who joins a call is not told what is left of a budget that holds nothing for them', async () => {
  const ctx = await makePerson()
  const side = { limit: 10, remaining: 5 }
  const start: GatewayEvent = {
    type: 'start',
    decision: {
      ...{ id: 'aic_leader', provider: 'offline', model: 'offline-1', kind: 'chat', difficulty: 0, parts: {} },
      ...{ reasons: [], cache: 'miss', cacheReason: '', experiment: null },
    },
    overhead: { choiceUs: 1, reserveUs: 1, cacheUs: 1 },
    tokens: { input: side, output: side, any: side, resetAtMs: 0 },
  }
  async function* said(): AsyncGenerator<GatewayEvent> {
    yield start
  }
  const calls = { share: () => ({ isLeader: false, events: said() }), size: () => 1 }
  const asked = {
    ...{ call: callOf('hi'), by: ctx.actor, ticket: 'req_1' },
    place: { key: 'k', frame: 'f', text: 'hi', sources: [], askedAt: '', vector: null },
    note: { cache: 'miss' as const, cacheReason: '', cacheUs: 1 },
  }
  const told = JSON.parse(await new Response(shareCall(ctx, calls, asked, new AbortController())).text())
  expect(told).toMatchObject({ type: 'start', decision: { cache: 'shared' } })
  expect(told).not.toHaveProperty('tokens')
})
