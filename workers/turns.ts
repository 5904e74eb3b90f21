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
} from '#assistant'
import { armTimer, describeError, findAppError, keepAlarm, type PersonActor, type UserCtx } from '#core'
import { databaseFailure } from '#database'
import { replay } from '#realtime'
import { makeCtx } from './context.ts'

const WATCH_MS = 20_000
const TIMER = 'turn:'

export type Asker = { userId: string; sessionId: string | null }
export type Refusal = { ok: false; code: string; detail: string }
export type Begun = { ok: true; offset: number; done: Promise<Ended> } | Refusal
export type Ended = { question: Message; answer: Message }

/** What the session object lends: its log, its storage, its clock. */
type Host = {
  state: DurableObjectState
  env: Env
  emit(topic: string, event: string, data: object): void
  offset(): number
}

export type { TurnRequest }
export type Turns = ReturnType<typeof createTurns>
type Live = { controller: AbortController; sessionId: string | null; done: Promise<Ended>; startedOffset: number }

/** The turns that run in one session object. They need no client, and none is left running when the machine is lost. */
export function createTurns(host: Host) {
  const live = new Map<string, Live>()
  const { sql } = host.state.storage
  const topicOf = (conversationId: string) => `conversation:${conversationId}`
  const contextOf = (actor: PersonActor): UserCtx => ({ ...makeCtx(host.env, host.state), actor })

  async function begin(request: TurnRequest, by: Asker): Promise<Begun> {
    const running = live.get(request.turnId)
    if (running) return { ok: true, offset: running.startedOffset, done: running.done }
    const known = findTurn(sql, request.turnId)
    if (!known) {
      await recoverLost(by.userId)
      if (runningTurns(sql).some(({ conversationId }) => conversationId === request.conversationId)) {
        return {
          ok: false,
          code: 'turn_running',
          detail: 'A turn is already running in this conversation; wait for it or cancel it',
        }
      }
      beginTurn(sql, request, by.sessionId, host.offset(), Date.now())
    }
    const ctx = contextOf({ kind: 'person', ...by })
    const opened = await open(ctx, request)
    if ('code' in opened) {
      if (!known) dropTurn(sql, request.turnId)
      return opened
    }
    const { question, answer } = opened
    if (known || !opened.fresh)
      return { ok: true, offset: known?.startedOffset ?? host.offset(), done: Promise.resolve({ question, answer }) }
    return { ok: true, offset: host.offset(), done: launch(ctx, request, opened) }
  }

  async function open(ctx: UserCtx, request: TurnRequest): Promise<OpenedTurn | Refusal> {
    try {
      return await openTurn(ctx, request)
    } catch (error) {
      const known = findAppError(error) ?? databaseFailure(error)
      if (!known) ctx.log.error('turn.open_failed', describeError(error))
      return { ok: false, code: known?.code ?? 'unavailable', detail: known?.message ?? 'The turn could not be opened' }
    }
  }

  function launch(ctx: UserCtx, request: TurnRequest, opened: OpenedTurn): Promise<Ended> {
    const controller = new AbortController()
    const topic = topicOf(request.conversationId)
    const startedOffset = host.offset()
    const { turnId } = request
    host.emit(topic, 'message.created', { message: opened.question })
    host.emit(topic, 'turn.started', { turnId, messageId: request.answerId })
    watch(turnId)
    const port = { signal: controller.signal, emit: (event: string, data: object) => host.emit(topic, event, data) }
    const done = runTurn(ctx, opened, port).then(async (result) => ({
      question: opened.question,
      answer: await close(ctx, request, opened.answer, result),
    }))
    live.set(turnId, { controller, sessionId: ctx.actor.sessionId, done, startedOffset })
    // Whoever waits sees the failure; nobody may be waiting.
    done.catch(() => undefined).finally(() => live.delete(turnId))
    return done
  }

  async function close(
    ctx: UserCtx,
    turn: Pick<TurnRequest, 'turnId' | 'conversationId' | 'answerId'>,
    empty: Message,
    result: TurnResult,
  ): Promise<Message> {
    const system: UserCtx = { ...ctx, actor: { ...ctx.actor, sessionId: null } }
    const message = (await closeTurn(system, turn.answerId, result)) ?? { ...empty, status: result.status }
    const topic = topicOf(turn.conversationId)
    host.emit(topic, 'message.completed', { message })
    host.emit(topic, 'turn.ended', { turnId: turn.turnId, status: result.status, errorCode: result.errorCode })
    endTurn(sql, turn.turnId)
    return message
  }

  // No await between the two: the timer and its alarm are one commit.
  function watch(turnId: string): void {
    armTimer(sql, { name: TIMER + turnId, dueMs: Date.now() + WATCH_MS, version: Date.now(), payload: null })
    host.state.waitUntil(keepAlarm(host.state.storage, Date.now()))
  }

  /** Ends as `interrupted` what was running when this object's machine went away. */
  async function recoverLost(userId: string): Promise<void> {
    for (const turn of runningTurns(sql)) {
      if (live.has(turn.turnId)) continue
      const ctx = contextOf({ kind: 'person', userId, sessionId: null })
      const told = replay(sql, turn.startedOffset, [topicOf(turn.conversationId)]).map(({ event, json }) => ({
        event,
        data: JSON.parse(json ?? 'null'),
      }))
      const parts = partsFromEvents(told, turn.answerId)
      const result: TurnResult = { status: 'interrupted', parts, receipt: null, errorCode: null }
      const message = await closeTurn(ctx, turn.answerId, result)
      const topic = topicOf(turn.conversationId)
      if (message) host.emit(topic, 'message.completed', { message })
      host.emit(topic, 'turn.ended', { turnId: turn.turnId, status: 'interrupted', errorCode: null })
      endTurn(sql, turn.turnId)
    }
  }

  return {
    begin,
    /** Stops a turn; its own end is told by its events. */
    async cancel(turnId: string): Promise<{ ok: true; status: 'cancelled' | 'ended' } | Refusal> {
      const running = live.get(turnId)
      if (!running)
        return findTurn(sql, turnId)
          ? { ok: true, status: 'ended' }
          : { ok: false, code: 'not_found', detail: 'No such turn' }
      running.controller.abort()
      await running.done.catch(() => undefined)
      return { ok: true, status: 'cancelled' }
    },
    /** Stops what a session that ended had asked for. */
    endSession(sessionId: string): void {
      for (const turn of live.values()) if (turn.sessionId === sessionId) turn.controller.abort()
    },
    /** Stops everything, for a person who is gone. */
    async endAll(): Promise<void> {
      const running = [...live.values()]
      for (const { controller } of running) controller.abort()
      await Promise.allSettled(running.map(({ done }) => done))
    },
    ownsTimer: (name: string) => name.startsWith(TIMER),
    /** The watchdog: a turn that lives is watched on, one that was lost is ended. */
    async onTimer(name: string, userId: string): Promise<void> {
      const turnId = name.slice(TIMER.length)
      if (live.has(turnId)) watch(turnId)
      else await recoverLost(userId)
    },
  }
}
