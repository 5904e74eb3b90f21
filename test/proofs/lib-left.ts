import { setTimeout as wait } from 'node:timers/promises'
import type { Ask, Reserved } from '#ai'
import { makeId, type Person, type World } from '../world.ts'

const HELD_MS = 1500
const WITHIN_MS = 30_000
const LOOK_EACH_MS = 200
const WORST = 1000
const KNOWN = 30

// Behind the API: Miniflare does not know the methods of an object.
type Stewards = { getByName(name: string): { reserve(ask: Ask): Promise<Reserved> } }

/**
 * Calls that were held and of which the Steward never heard again: one that the ledger knows the cost of, one it knows
 * was not sent, one nobody knows of, and the first held again, of which nobody knows either. Only what nobody knows of is
 * charged as it was estimated. Answers how many there were.
 */
export async function leftBehind(world: World, person: Person, report: (what: string) => void): Promise<number> {
  const stewards = (await world.worker.miniflare.getDurableObjectNamespace('STEWARD')) as unknown as Stewards
  const { userId } = person
  const deadlineMs = Date.now() + HELD_MS
  const [known, unsent, lost] = [makeId('aic'), makeId('aic'), makeId('aic')]
  const holds = [...[known, unsent, lost].map((id) => ({ id, deadlineMs })), { id: known, deadlineMs: deadlineMs + 1 }]
  const charged = KNOWN + 2 * WORST
  for (const hold of holds) {
    const call = { kind: 'chat', feature: 'assistant', conversationId: null, provider: 'anthropic' } as const
    const most = { model: 'claude-sonnet-5-5', worstMicros: WORST, isBackground: false }
    const held = await stewards.getByName(userId).reserve({ ...hold, userId, ...call, ...most })
    if (!held.ok) throw new Error(`nothing is held: ${held.reason}`)
  }
  const lines = [
    [`${known}.${deadlineMs}`, known, KNOWN, 'done'],
    [`${unsent}.${deadlineMs}.unsent`, unsent, 0, 'unsent'],
  ]
  for (const [id, callId, micros, outcome] of lines)
    await world.query(
      `insert into usage_events (id, call_id, user_id, kind, feature, provider, model, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_micros, is_estimated, is_background, outcome, cache, total_ms, created_at)
      values ($1, $2, $3, 'chat', 'assistant', 'anthropic', 'claude-sonnet-5-5', 0, 0, 0, 0, 0, $4, false, false, $5, 'off', 0, now())`,
      [id, callId, userId, micros, outcome],
    )
  const untilMs = Date.now() + WITHIN_MS
  for (;;) {
    const { own } = JSON.parse((await person.api('GET', '/v1/ai/budget')).text)
    const { total } = JSON.parse((await person.api('GET', '/v1/ai/usage')).text)
    if (own.day.reservedMicros === 0) {
      if (own.day.spentMicros !== charged)
        report(`of calls left behind ${own.day.spentMicros} micro-dollars are charged, not ${charged}`)
      if (total.costMicros !== own.day.spentMicros || total.calls !== 3)
        report(`of calls left behind the ledger says ${total.costMicros} in ${total.calls} calls`)
      return holds.length
    }
    if (Date.now() > untilMs) {
      report('what was left behind is held for ever')
      return holds.length
    }
    await wait(LOOK_EACH_MS)
  }
}
