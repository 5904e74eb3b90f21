import type { Migration } from '#core'

/** To be listed among the migrations of the object that keeps a person's budget. */
export const BUDGET_MIGRATIONS: readonly Migration[] = [
  {
    name: 'ai_calls',
    // day and month are those of the reservation: a call over midnight is charged to the day it began.
    sql: `create table ai_calls (
      id text primary key, state text not null, account text not null, day text not null, month text not null,
      worst integer not null, cost integer not null default 0, reserved_ms integer not null,
      deadline_ms integer not null, closed_ms integer, ask text not null) without rowid`,
  },
  { name: 'ai_calls_state', sql: 'create index ai_calls_state on ai_calls (state, deadline_ms)' },
  {
    name: 'ai_spent',
    sql: `create table ai_spent (account text not null, period text not null, micros integer not null,
      primary key (account, period)) without rowid`,
  },
  {
    name: 'ai_settings',
    sql: `create table ai_settings (one integer primary key check (one = 1), plan text not null,
      is_paused integer not null, caps text not null)`,
  },
  { name: 'usage_outbox', sql: 'create table usage_outbox (id text primary key, line text not null) without rowid' },
  { name: 'ai_calls_key', sql: 'alter table ai_calls add column key_id text' },
]
