import { DurableObject } from 'cloudflare:workers'
import {
  type Ask,
  BUDGET_MIGRATIONS,
  type BudgetChange,
  type BudgetSummary,
  nextDeadlineMs,
  overdue,
  type Reserved,
  release,
  reserve,
  type Settled,
  type Settlement,
  setBudget,
  settle,
  summary,
} from '#ai'
import {
  armOwn,
  armTimer,
  cancelTimer,
  countHeld,
  createLog,
  type DueTimer,
  describeError,
  fireDue,
  keepAlarm,
  migrate,
  nextAlarmMs,
  TIMER_MIGRATIONS,
} from '#core'
import { LEARNING_MIGRATIONS, type LearningAsk, learning } from '#proactivity'
import { isMomentary, listTimers, type NewTimer, NewTimers, runTimer } from '#scheduler'
import { type Grant, grant, LIMIT_MIGRATIONS, type LimitAsk } from '#security'
import { configOf, makeCtx } from './context.ts'
import { findStale, flushLines } from './ledger-lines.ts'
import { timers } from './timers.ts'

export type Armed = { ok: true; armed: number } | { ok: false; reason: 'invalid' }
type Arm = (name: string, dueMs: number, isMoved?: (fromMs: number) => boolean) => void

const FLUSH = 'usage:flush'
const FLUSH_AFTER_MS = 1000
const OVERDUE = 'budget:overdue'
const chance = () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32

// Append only: what stands here may have been applied somewhere.
const MIGRATIONS = [...TIMER_MIGRATIONS, ...BUDGET_MIGRATIONS, ...LIMIT_MIGRATIONS, ...LEARNING_MIGRATIONS]

/** One person's timers and budget. Its name is the person's id. */
export class Steward extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    migrate(ctx.storage, MIGRATIONS)
  }

  ping(): 'ok' {
    return 'ok'
  }

  /** All of them or none; `armed` leaves out what was already known in this version or a newer one. */
  async arm(timers: NewTimer[]): Promise<Armed> {
    const parsed = NewTimers.safeParse(timers)
    if (!parsed.success) return { ok: false, reason: 'invalid' }
    const { storage } = this.ctx
    const armed = storage.transactionSync(() => parsed.data.filter((timer) => armTimer(storage.sql, timer)).length)
    await keepAlarm(storage, Date.now())
    return { ok: true, armed }
  }

  async cancel(name: string, version: number): Promise<{ ok: true; cancelled: boolean }> {
    const { storage } = this.ctx
    const cancelled = cancelTimer(storage.sql, name, version, Date.now())
    await keepAlarm(storage, Date.now())
    return { ok: true, cancelled }
  }

  /** Sets the alarm again where the platform gave it up. */
  async wake(): Promise<{ ok: true }> {
    await keepAlarm(this.ctx.storage, Date.now())
    return { ok: true }
  }

  list() {
    return listTimers(this.ctx.storage.sql)
  }

  /** Holds the worst case of a call, or says why not. */
  async reserve(ask: Ask): Promise<Reserved> {
    return await this.#change((sql, nowMs, arm) => {
      const reserved = reserve(sql, ask, nowMs, this.#plan())
      if (reserved.ok) arm(OVERDUE, ask.deadlineMs, (dueMs) => dueMs > ask.deadlineMs)
      return reserved
    })
  }

  /** Charges what a call cost, once. */
  async settle(settlement: Settlement): Promise<Settled> {
    return await this.#change((sql, nowMs, arm) => {
      const settled = settle(sql, settlement, nowMs)
      if (settled.ok) arm(FLUSH, nowMs + FLUSH_AFTER_MS)
      return settled
    })
  }

  /** Gives back what was held for a call that was not sent. */
  release(id: string, deadlineMs?: number): { ok: true; released: boolean } {
    return release(this.ctx.storage.sql, id, deadlineMs)
  }

  budget(): BudgetSummary {
    return summary(this.ctx.storage.sql, Date.now(), this.#plan())
  }

  setBudget(change: BudgetChange): BudgetSummary {
    return setBudget(this.ctx.storage.sql, change, Date.now(), this.#plan())
  }

  /** Gives calls of a window away. */
  grantCalls(ask: LimitAsk): Grant {
    return grant(this.ctx.storage.sql, ask, Date.now())
  }

  /** All that is learned of what they take and dismiss. */
  learning(ask: LearningAsk) {
    return learning(this.ctx.storage.sql, ask, Date.now(), chance)
  }

  /** Brings the ledger's waiting lines to Postgres now. */
  async flushUsage(): Promise<{ ok: true } | { ok: false; reason: 'unavailable' }> {
    try {
      await this.#flush()
      return { ok: true }
    } catch (error) {
      createLog({}).error('usage.flush_failed', describeError(error))
      return { ok: false, reason: 'unavailable' }
    }
  }

  /** Forgets the person; a timer that is running finds its tables empty, not gone. */
  async erase(): Promise<{ ok: true }> {
    const { storage } = this.ctx
    await storage.deleteAlarm()
    await storage.deleteAll()
    migrate(storage, MIGRATIONS)
    return { ok: true }
  }

  async held(): Promise<number> {
    return await countHeld(this.ctx.storage)
  }

  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    try {
      const { failed } = await fireDue(storage.sql, Date.now(), (timer) => this.#fire(timer), isMomentary)
      for (const { name, attempt, error } of failed)
        createLog({}).error('timer.failed', { timer: name, attempt, ...describeError(error) })
    } finally {
      await keepAlarm(storage, Date.now())
    }
  }

  readonly #plan = () => configOf(this.env).ai.plan

  // A context that cannot be made is the failure of a timer, which waits: thrown from the alarm, it would cost it.
  async #fire(timer: DueTimer): Promise<void> {
    if (timer.name === FLUSH) await this.#flush()
    else if (timer.name === OVERDUE) await this.#closeOverdue()
    else await runTimer(makeCtx(this.env, this.ctx), timer, timers)
  }

  async #closeOverdue(): Promise<void> {
    const { calls, costs } = await findStale(this.ctx.storage.sql, Date.now(), () => makeCtx(this.env, this.ctx))
    const lost = await this.#change((sql, nowMs, arm) => {
      const ids = overdue(sql, calls, costs, nowMs)
      if (ids.length > 0) arm(FLUSH, nowMs + FLUSH_AFTER_MS)
      const deadlineMs = nextDeadlineMs(sql)
      if (deadlineMs !== null) arm(OVERDUE, deadlineMs, () => true)
      return ids
    })
    for (const callId of lost) createLog({}).warn('budget.call_lost', { callId })
  }

  /** A change of the budget, with the timers that must follow it: one commit. */
  async #change<T>(change: (sql: SqlStorage, nowMs: number, arm: Arm) => T): Promise<T> {
    const { storage } = this.ctx
    const nowMs = Date.now()
    const armed: boolean[] = []
    const arm: Arm = (...timer) => void armed.push(armOwn(storage.sql, ...timer))
    const result = storage.transactionSync(() => change(storage.sql, nowMs, arm))
    // What is due already is not trusted to ring.
    if (armed.includes(true) || nextAlarmMs(storage.sql, nowMs) === nowMs) await keepAlarm(storage, nowMs)
    return result
  }

  async #flush(): Promise<void> {
    await flushLines(this.ctx.storage.sql, () => makeCtx(this.env, this.ctx))
  }
}
