import {
  beginTurn,
  closeTurn,
  dropTurn,
  endTurn,
  findTurn,
  type Message,
  type OpenedTurn,
  openTurn,
  partsFromEvents,
  runningTurns,
  runTurn,
  type TurnRequest,
  type TurnResult,
  type TurnRow,
} from '#assistant'
import { armOwn, describeError, findAppError, keepAlarm, type UserCtx } from '#core'
import { type DatabaseMeter, databaseFailure } from '#database'
import { replay } from '#realtime'
import { type Asker, askerCtx } from './context.ts'

const WATCH_MS = 20_000
const TIMER = 'turn:'
export type Refusal = { ok: false; code: string; detail: string }
export type Ended = { question: Message; answer: Message } & Pick<TurnResult, 'overhead' | 'reason'>
const UNKNOWN = { receipt: null, errorCode: null, reason: null, overhead: null }
export type Begun = { ok: true; offset: number; done: Promise<Ended>; database: DatabaseMeter } | Refusal
export type Finished = { ok: true; database: DatabaseMeter } & Ended
export type Cancelled = { ok: true; status: 'cancelled' | 'ended' }

/** What the session object lends: its log, its storage, its clock. */
type Host = {
  state: DurableObjectState
  env: Env
  emit(topic: string, event: string, data: object): void
  offset(): number
}

type Turn = TurnRow | TurnRequest
export type Turns = ReturnType<typeof createTurns>
type Asked = Pick<Asker, 'sessionId'> & { stop(): void; begun: Promise<Begun>; over: Promise<Ended | undefined> }

const refusal = (code: string, detail: string): Refusal => ({ ok: false, code, detail })

/** The turns that run in one session object. They need no client, and none is left running when the machine is lost. */
export function createTurns(host: Host) {
  // Every turn that is being opened or runs here: what is `running` in storage and not in here was lost.
  const asked = new Map<string, Asked>()
  const recovering = new Map<string, Promise<void>>()
  const { sql } = host.state.storage
  const topicOf = (conversationId: string) => `conversation:${conversationId}`
  const contextOf = (by: Asker) => askerCtx(host.env, host.state, by, 'sendMessage')
  const systemFor = ({ userId }: TurnRow) => contextOf({ userId, sessionId: null })

  /** Begins a turn; the same one asked for again while it runs is joined. */
  function begin(request: TurnRequest, by: Asker): Promise<Begun> {
    const known = asked.get(request.turnId)
    if (known) return known.begun
    const controller = new AbortController()
    const begun = start(contextOf(by), request, by, controller.signal)
    const over = begun
      .then((said) => (said.ok ? said.done : undefined))
      // Whoever waits sees the failure; nobody may be waiting.
      .catch(() => undefined)
      .finally(() => asked.delete(request.turnId))
    asked.set(request.turnId, { stop: () => controller.abort(), sessionId: by.sessionId, begun, over })
    return begun
  }

  async function start(ctx: UserCtx, request: TurnRequest, by: Asker, signal: AbortSignal): Promise<Begun> {
    const { turnId, conversationId } = request
    const known = findTurn(sql, turnId)
    const lost = await attempt(ctx, () => (known ? recover(known) : recoverLost()))
    if (lost) return lost
    // From the question whether one runs to the row that says so there is no await, and the watchdog is in that commit.
    if (!known) {
      if (runningTurns(sql).some((turn) => turn.conversationId === conversationId))
        return refusal('turn_running', 'A turn is already running in this conversation; wait for it or cancel it')
      beginTurn(sql, request, by, host.offset(), Date.now())
      if (watch()) host.state.waitUntil(keepAlarm(host.state.storage, Date.now()))
    }
    const opened = await attempt(ctx, () => openTurn(ctx, request))
    if ('code' in opened) {
      if (!known) dropTurn(sql, turnId)
      return opened
    }
    const { question, answer } = opened
    const told = { ok: true as const, offset: known?.startedOffset ?? host.offset(), database: ctx.meter }
    // Open in the database and unknown here: its opening was not heard of, so it never ran.
    if (!known && answer.status === 'streaming') return { ...told, done: launch(ctx, request, opened, signal) }
    if (!known) tellEnd(request, answer.status, answer)
    return { ...told, done: Promise.resolve({ question, answer, ...UNKNOWN }) }
  }

  async function attempt<T>(ctx: UserCtx, work: () => Promise<T>): Promise<T | Refusal> {
    try {
      return await work()
    } catch (error) {
      const known = findAppError(error) ?? databaseFailure(error)
      if (!known) ctx.log.error('turn.refused', describeError(error))
      return refusal(known?.code ?? 'unavailable', known?.message ?? 'The turn could not be opened')
    }
  }

  async function launch(ctx: UserCtx, turn: TurnRequest, opened: OpenedTurn, signal: AbortSignal): Promise<Ended> {
    const { question, answer } = opened
    const topic = topicOf(turn.conversationId)
    host.emit(topic, 'message.created', { message: question })
    host.emit(topic, 'turn.started', { turnId: turn.turnId, messageId: turn.answerId })
    const result = await runTurn(ctx, opened, { signal, emit: (event, data) => host.emit(topic, event, data) })
    try {
      // What was said is written down also when the session that asked has ended since.
      const system: UserCtx = { ...ctx, actor: { ...ctx.actor, sessionId: null } }
      const message = (await closeTurn(system, answer.id, result, turn)) ?? { ...answer, status: result.status }
      tellEnd(turn, result.status, message, result.reason)
      return { question, answer: message, overhead: result.overhead, reason: result.reason }
    } catch (error) {
      ctx.log.error('turn.close_failed', { turnId: turn.turnId, ...describeError(error) })
      throw error
    }
  }

  function tellEnd({ turnId, conversationId }: Turn, status: string, message?: Message, reason?: Ended['reason']) {
    const topic = topicOf(conversationId)
    if (message) host.emit(topic, 'message.completed', { message })
    host.emit(topic, 'turn.ended', { turnId, status, errorCode: message?.errorCode ?? null, ...reason })
    endTurn(sql, turnId)
  }

  // It waits already where another turn began; what should have rung is not trusted to. The alarm is of the same commit.
  function watch(isAgain = false): boolean {
    const nowMs = Date.now()
    const isOff = (dueMs: number) => isAgain || dueMs < nowMs || dueMs > nowMs + WATCH_MS
    return armOwn(sql, `${TIMER}watch`, nowMs + WATCH_MS, isOff)
  }

  async function recoverLost(): Promise<void> {
    const failed: unknown[] = []
    for (const turn of runningTurns(sql))
      if (!asked.has(turn.turnId)) await recover(turn).catch((error) => failed.push(error))
    if (failed.length > 0) throw failed[0]
  }

  function recover({ turnId }: TurnRow): Promise<void> {
    const under = recovering.get(turnId) ?? closeLost(turnId).finally(() => recovering.delete(turnId))
    recovering.set(turnId, under)
    return under
  }

  /** Ends as `interrupted` what was running when this object's machine went away. */
  async function closeLost(turnId: string): Promise<void> {
    const turn = findTurn(sql, turnId)
    if (turn?.state !== 'running') return
    const told = replay(sql, turn.startedOffset, [topicOf(turn.conversationId)]).map(({ event, json }) => ({
      event,
      data: JSON.parse(json ?? 'null'),
    }))
    const parts = partsFromEvents(told, turn.answerId)
    // What the model took is told at the end of its call and not logged: of a lost turn it stays unknown, as what it read.
    const result: TurnResult = { status: 'interrupted', parts, acts: null, isTainted: true, ...UNKNOWN }
    tellEnd(turn, 'interrupted', await closeTurn(systemFor(turn), turn.answerId, result))
  }

  return {
    begin,
    /** Runs a turn to its end; an answer that is still open is never given for one that has ended. */
    async finish(request: TurnRequest, by: Asker): Promise<Finished | Refusal> {
      const begun = await begin(request, by)
      if (!begun.ok) return begun
      const ended = await begun.done.catch(() => undefined)
      if (!ended || ended.answer.status === 'streaming')
        return refusal('unavailable', 'The answer could not be written down; ask for it again')
      return { ok: true, ...ended, database: { ...begun.database } }
    },
    /** Stops a turn; its own end is told by its events. */
    async cancel(turnId: string): Promise<Cancelled | Refusal> {
      const running = asked.get(turnId)
      running?.stop()
      const ended = await running?.over
      if (ended) return { ok: true, status: ended.answer.status === 'cancelled' ? 'cancelled' : 'ended' }
      const known = findTurn(sql, turnId)
      if (!known) return refusal('not_found', 'No such turn')
      return (await attempt(systemFor(known), () => recover(known))) ?? { ok: true, status: 'ended' }
    },
    /** Stops what a session that ended had asked for. */
    endSession(sessionId: string): void {
      for (const turn of asked.values()) if (turn.sessionId === sessionId) turn.stop()
    },
    /** Stops everything, for a person who is gone. */
    async endAll(): Promise<void> {
      for (const turn of asked.values()) turn.stop()
      await Promise.all([...asked.values()].map(({ over }) => over))
    },
    ownsTimer: (name: string) => name.startsWith(TIMER),
    /** The watchdog: turns that were lost are ended; while one lives here it stays. */
    async onTimer(): Promise<void> {
      await recoverLost().finally(() => asked.size > 0 && watch(true))
    },
  }
}
