import { createHmac } from 'node:crypto'
import type { Reserved } from '#ai'
import { closeTurn, openTurn, runTurn } from '#assistant'
import { app as auth } from '#auth/routes'
import { readConfig } from '#config'
import { createApp, createLog, newId, type UserCtx } from '#core'
import { actOf, connect } from '#database'
import { app as tasks } from '#tasks/routes'
import { tokenHash } from '#test/world'
import { type Ask, OPERATION_NAMES, OPERATIONS, type Operation, type Person, TURN_TEXT } from './operations.ts'

/** A parameter as it was sent, with a name for what differs from one request to the next. */
export type Param = (string | { slot: string })[] | null
export type Statement = { query: string; params: Param[] }
/** By operation its trips; a trip of more than one statement is a transaction. */
export type Trips = Record<Operation, Statement[][]>

type Vars = Record<string, string> & { REFRESH_KEY: string }
// A budget costs no trip.
const STEWARD = {
  getByName: () => ({
    reserve: async (): Promise<Reserved> => ({
      ok: true,
      tightest: { limitMicros: 1, leftMicros: 1, resetAtMs: 0 },
      atMs: 0,
    }),
    settle: async () => ({ ok: true, chargedMicros: 0, overMicros: 0 }),
  }),
}
type Sent = { query: string; params: (string | null)[] }
type Slots = Map<string, string>

/** What our verbs send to Postgres for one request of each kind, so that the bare handler can send the very same. */
export async function recordTrips(vars: Vars, person: Person): Promise<Trips> {
  const trips: Partial<Trips> = {}
  for (const operation of OPERATION_NAMES) {
    const slots: Slots = new Map()
    const ctx = makeCtx(vars, person, slots)
    const sent = await recordFetch(async () => {
      if (operation === 'turn') await speak(ctx, person, slots)
      else await ask(ctx, OPERATIONS[operation](person, 0), slots)
    })
    trips[operation] = sent.map((trip) => trip.map((statement) => withSlots(statement, slots)))
  }
  return trips as Trips
}

function makeCtx(vars: Vars, { userId, sessionId, refreshToken }: Person, slots: Slots): UserCtx {
  const config = readConfig(vars)
  const meter = { trips: 0, ms: 0 }
  const at = new Date()
  const successor = `rt_${createHmac('sha256', vars.REFRESH_KEY).update(refreshToken).digest('base64url')}`
  slots.set(userId, 'user').set(sessionId, 'session').set(at.toISOString(), 'nowIso').set(String(at.getTime()), 'nowMs')
  slots.set(tokenHash(refreshToken), 'hash').set(tokenHash(successor), 'nextHash')
  const requestId = newId('req', at)
  // That of each request: the audit tells a second time what another asked.
  slots.set(requestId, 'new:req')
  const ctx: UserCtx = {
    actor: { kind: 'person', userId, sessionId },
    client: { address: '192.0.2.1', country: null, userAgent: 'bench' },
    config,
    db: connect(config.database, meter, () => actOf(ctx)),
    meter,
    // No other binding is asked for, and what the queue is told is not wanted here.
    env: { EVENTS: { sendBatch: async () => {} }, STEWARD } as unknown as Env,
    requestId,
    operation: 'bench',
    callId: '',
    now: () => at,
    newId(prefix) {
      const id = newId(prefix, at)
      slots.set(id, `new:${prefix}`)
      return id
    },
    waitUntil: () => {},
    log: createLog({}, 'error'),
  }
  return ctx
}

async function ask(ctx: UserCtx, { method, path, body, headers }: Ask, slots: Slots): Promise<void> {
  if (body) slots.set(body.slice(1, -1), 'fields')
  const id = path.split('/').find((part) => part.startsWith('task_'))
  if (id) slots.set(id, 'id')
  const app = createApp()
  app.use(async (c, next) => {
    c.set('ctx', ctx)
    c.set('guard', async (_c, _meta, go) => await go())
    await next()
  })
  app.route('/v1', tasks).route('/v1', auth)
  const sent = { ...headers, 'content-type': 'application/json' }
  const answer = await app.request(path, { method, body: body ?? null, headers: sent })
  if (!answer.ok) throw new Error(`recording ${method} ${path} failed: ${await answer.text()}`)
}

async function speak(ctx: UserCtx, { conversationId }: Person, slots: Slots): Promise<void> {
  const [turnId, questionId, answerId] = [newId('turn', ctx.now()), newId('msg', ctx.now()), newId('msg', ctx.now())]
  slots.set(conversationId, 'id').set(turnId, 'new:turn').set(questionId, 'question').set(answerId, 'answer')
  const opened = await openTurn(ctx, { turnId, conversationId, questionId, answerId, text: TURN_TEXT })
  const result = await runTurn(ctx, opened, { signal: new AbortController().signal, emit: () => {} })
  if (result.status !== 'done') throw new Error(`recording a turn failed: ${result.errorCode}`)
  await closeTurn({ ...ctx, actor: { ...ctx.actor, sessionId: null } }, answerId, result)
}

/** What went to the database while `work` ran. */
async function recordFetch(work: () => Promise<void>): Promise<Sent[][]> {
  const real = globalThis.fetch
  const sent: Sent[][] = []
  globalThis.fetch = (input, init) => {
    const body = JSON.parse(String(init?.body))
    sent.push(body.queries ?? [body])
    return real(input, init)
  }
  try {
    await work()
  } finally {
    globalThis.fetch = real
  }
  return sent
}

function withSlots({ query, params }: Sent, slots: Slots): Statement {
  const values = [...slots.keys()].toSorted((a, b) => b.length - a.length)
  const pattern = new RegExp(`(${values.map((value) => RegExp.escape(value)).join('|')})`)
  const split = (param: string | null): Param =>
    param?.split(pattern).map((part) => {
      const slot = slots.get(part)
      return slot === undefined ? part : { slot }
    }) ?? null
  return { query, params: params.map(split) }
}
