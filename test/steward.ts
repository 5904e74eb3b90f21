import { DatabaseSync } from 'node:sqlite'
import * as ai from '#ai'
import type { Migration } from '#core'

/** SQLite in memory: the engine of a Durable Object. */
export function memorySql(migrations: readonly Migration[]): SqlStorage {
  const database = new DatabaseSync(':memory:')
  for (const migration of migrations) database.exec(migration.sql)
  const exec = (query: string, ...bindings: (string | number | null)[]) => {
    const rows = database.prepare(query).all(...bindings)
    return { toArray: () => rows, one: () => rows[0] }
  }
  return { exec } as unknown as SqlStorage
}

/** A person's budget on SQLite in memory: the engine of a Durable Object, and the verbs its Steward calls. */
export function makeSteward(nowMs: () => number, plan = (): ai.BudgetSummary['plan'] => 'free') {
  const sql = memorySql(ai.BUDGET_MIGRATIONS)
  return {
    reserve: async (ask: ai.Ask) => ai.reserve(sql, ask, nowMs(), plan()),
    settle: async (settlement: ai.Settlement) => ai.settle(sql, settlement, nowMs()),
    release: async (id: string, deadlineMs?: number) => ai.release(sql, id, deadlineMs),
    budget: async () => ai.summary(sql, nowMs(), plan()),
    setBudget: async (change: ai.BudgetChange) => ai.setBudget(sql, change, nowMs(), plan()),
    flushUsage: async () => ({ ok: true as const }),
    stale: () => ai.stale(sql, nowMs()),
    /** What its alarm does. */
    overdue: (costs: ReadonlyMap<string, number> = new Map()) =>
      ai.overdue(sql, ai.stale(sql, nowMs()), costs, nowMs()),
    /** The same, with time between the look and the close. */
    close: (looked: ReturnType<typeof ai.stale>, costs: ReadonlyMap<string, number>) =>
      ai.overdue(sql, looked, costs, nowMs()),
    nextDeadlineMs: () => ai.nextDeadlineMs(sql),
    /** The ledger: nothing here takes it to Postgres. */
    lines: () => ai.unflushed(sql, 1_000_000),
  }
}
