import { DurableObject } from 'cloudflare:workers'
import {
  armTimer,
  cancelTimer,
  createLog,
  type DueTimer,
  describeError,
  fireDue,
  keepAlarm,
  migrate,
  TIMER_MIGRATIONS,
} from '#core'
import { type NewTimer, NewTimers, runTimer } from '#scheduler'
import { makeCtx } from './context.ts'

export type Armed = { ok: true; armed: number } | { ok: false; reason: 'invalid' }
export type Cancelled = { ok: true; cancelled: boolean }
export type WaitingTimer = { name: string; dueMs: number; version: number; attempts: number }

const MAX_LISTED = 100

/** One person's timers. Its name is the person's id. */
export class Steward extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    migrate(ctx.storage, TIMER_MIGRATIONS)
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

  async cancel(name: string, version: number): Promise<Cancelled> {
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

  /** What waits, soonest first. */
  list(): WaitingTimer[] {
    return this.ctx.storage.sql
      .exec<WaitingTimer>(
        `select name, due_ms as "dueMs", version, attempts from timers
         where due_ms is not null order by due_ms, name limit ?`,
        MAX_LISTED,
      )
      .toArray()
  }

  /** Forgets the person; a timer that is running finds its tables empty, not gone. */
  async erase(): Promise<{ ok: true }> {
    const { storage } = this.ctx
    await storage.deleteAlarm()
    await storage.deleteAll()
    migrate(storage, TIMER_MIGRATIONS)
    return { ok: true }
  }

  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    try {
      // A context that cannot be made is the failure of a timer, which waits: thrown from here, it would cost the alarm.
      const run = (timer: DueTimer) => runTimer(makeCtx(this.env, this.ctx), timer)
      const { failed } = await fireDue(storage.sql, Date.now(), run)
      for (const { name, attempt, error } of failed) {
        createLog({}).error('timer.failed', { timer: name, attempt, ...describeError(error) })
      }
    } finally {
      await keepAlarm(storage, Date.now())
    }
  }
}
