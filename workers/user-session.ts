import { DurableObject } from 'cloudflare:workers'
import { type Calls, createInflight, type SharedAsk, shareCall } from '#ai'
import { TURN_MIGRATIONS, type TurnRequest } from '#assistant'
import { AppError, countHeld, type DueTimer, describeError, fireDue, keepAlarm, migrate, TIMER_MIGRATIONS } from '#core'
import type { DatabaseMeter } from '#database'
import {
  type Issued,
  issueTicket,
  type NewEvent,
  openRoom,
  openSocket,
  type Position,
  ROOM_MIGRATIONS,
  type Room,
  SWEEP,
  type TicketRequest,
  type World,
} from '#realtime'
import { type Asker, makeCtx } from './context.ts'
import { type Cancelled, createTurns, type Finished, type Refusal, type Turns } from './turns.ts'

// Append only: what stands here may have been applied somewhere.
const MIGRATIONS = [...TIMER_MIGRATIONS, ...ROOM_MIGRATIONS, ...TURN_MIGRATIONS]

const WORLD: World = {
  nowMs: () => Date.now(),
  chance: () => Math.random(),
  wait: (ms, signal) => scheduler.wait(ms, { signal }),
}

/** One person's sockets, event log, presence and live turns. */
export class UserSession extends DurableObject<Env> {
  readonly #room: Room
  readonly #turns: Turns
  readonly #calls: Calls = createInflight()
  readonly #asking = new Map<string, { controller: AbortController; sessionId: string | null }>()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    migrate(ctx.storage, MIGRATIONS)
    this.#room = openRoom(ctx, WORLD)
    this.#turns = createTurns({
      state: ctx,
      env,
      emit: (topic, event, data) => this.#emit(topic, event, data),
      offset: () => this.#room.position().offset,
    })
  }

  ping(): 'ok' {
    return 'ok'
  }

  /** Each event once, however often it is brought; `offsets` in the order given. */
  publish(events: NewEvent[]): Position & { offsets: number[] } {
    const offsets = events.map(({ id, topic, event, data }) => this.#emit(topic, event, data, id))
    return { ...this.#room.position(), offsets }
  }

  async issueTicket(request: TicketRequest): Promise<Issued> {
    return await issueTicket(this.#room, this.ctx.storage.sql, WORLD, request)
  }

  /** The WebSocket upgrade and nothing else. */
  override async fetch(request: Request): Promise<Response> {
    return await openSocket(this.#room, this.ctx, WORLD, request)
  }

  override webSocketMessage(ws: WebSocket, raw: string | ArrayBuffer): void {
    this.#room.heard(ws, raw)
  }

  override webSocketClose(ws: WebSocket, code: number, reason: string): void {
    this.#room.closed(ws, code, reason)
  }

  override webSocketError(): void {
    this.#room.tellPresence()
  }

  /** Closes what this session has open, and lets it open nothing more. */
  endSession(sessionId: string): { closed: number } {
    this.#turns.endSession(sessionId)
    const ended = new AppError('session_ended', 'This session has ended')
    for (const asking of this.#asking.values()) if (asking.sessionId === sessionId) asking.controller.abort(ended)
    return this.#room.endSession(sessionId)
  }

  /** Closes what a key has open, which may come back as what it is now. */
  renewSession(sessionId: string): { closed: number } {
    return this.#room.renewSession(sessionId)
  }

  /**
   * A topic as server-sent events: after `after` (a Last-Event-ID; null: from now) and then live, until the reader
   * cancels, the session ends, or one of the events `until` was sent. Not `tail`: that name is the runtime's own.
   */
  follow(
    topic: string,
    after: string | null,
    options: { sessionId?: string; until?: string[] } = {},
  ): ReadableStream<Uint8Array> {
    return this.#room.tail({ topic, after, ...options })
  }

  /** Runs a turn, or finds it again, and tells it as server-sent events up to its end. */
  async streamTurn(
    request: TurnRequest,
    by: Asker,
  ): Promise<{ ok: true; body: ReadableStream<Uint8Array>; database: DatabaseMeter } | Refusal> {
    const begun = await this.#turns.begin(request, by)
    if (!begun.ok) return begun
    const after = `${this.#room.position().epoch}:${begun.offset}`
    const options = { until: ['turn.ended'], ...(by.sessionId && { sessionId: by.sessionId }) }
    const body = this.follow(`conversation:${request.conversationId}`, after, options)
    return { ok: true, body, database: { ...begun.database } }
  }

  /** Runs a turn, or finds it again, and waits for its end. */
  async finishTurn(request: TurnRequest, by: Asker): Promise<Finished | Refusal> {
    return await this.#turns.finish(request, by)
  }

  /** Makes a call whose answer may be kept, or joins the same one that is being made: lines of JSON. */
  shareCall(asked: SharedAsk): ReadableStream<Uint8Array> {
    const ctx = { ...makeCtx(this.env, this.ctx), actor: { kind: 'person' as const, ...asked.by } }
    const controller = new AbortController()
    this.#asking.set(asked.ticket, { controller, sessionId: asked.by.sessionId })
    controller.signal.addEventListener('abort', () => this.#asking.delete(asked.ticket), { once: true })
    return shareCall(ctx, this.#calls, asked, controller)
  }

  /** Whoever asked under this ticket is gone: the call ends, unless others wait for it. */
  leaveCall(ticket: string): { ok: true } {
    this.#asking.get(ticket)?.controller.abort(new DOMException('nobody listens any more', 'AbortError'))
    return { ok: true }
  }

  async cancelTurn(turnId: string): Promise<Cancelled | Refusal> {
    return await this.#turns.cancel(turnId)
  }

  /** Forgets this person; whatever is published later begins a new epoch. */
  async erase(): Promise<{ ok: true }> {
    for (const { controller } of this.#asking.values())
      controller.abort(new AppError('session_ended', 'This person is gone'))
    await this.#turns.endAll()
    this.#room.empty()
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    migrate(this.ctx.storage, MIGRATIONS)
    // What came in meanwhile was erased too.
    this.#room.empty()
    return { ok: true }
  }

  /** How much there is of the person. */
  async held(): Promise<number> {
    return await countHeld(this.ctx.storage)
  }

  override async alarm(): Promise<void> {
    try {
      const { failed } = await fireDue(this.ctx.storage.sql, Date.now(), (timer) => this.#fire(timer))
      if (failed.length === 0) return
      const { log } = makeCtx(this.env, this.ctx)
      for (const { name, attempt, error } of failed)
        log.error('timer.failed', { name, attempt, ...describeError(error) })
    } finally {
      await keepAlarm(this.ctx.storage, Date.now())
    }
  }

  async #fire(timer: DueTimer): Promise<void> {
    if (this.#turns.ownsTimer(timer.name)) await this.#turns.onTimer()
    else if (timer.name === SWEEP) this.#room.sweep()
  }

  /** The one way anything is said to this person's clients. */
  #emit(topic: string, event: string, data: unknown, id?: string): number {
    return this.#room.emit({ topic, event, data, ...(id !== undefined && { id }) })
  }
}
