import { type KeySpending, leftOfKey, periodsOf, spentByKeys } from './key-spending.ts'
import { type Ask, book, lineId, type Settlement } from './ledger.ts'
import { type Limits, PLANS } from './plans.ts'
import type { PlanName } from './schema.ts'
import { type Tightest, tightestOf } from './tightest.ts'

export type Left = { day: number; month: number }
/** A hold of a call of which nothing was heard in time. */
export type Stale = { id: string; userId: string; deadlineMs: number }
/** `settled`: the call of this id is over. `resetAtMs` is 0 where no time helps: the person paused it. */
export type Refused = {
  ok: false
  reason: 'paused' | 'day' | 'month' | 'cap' | 'background' | 'key' | 'settled'
  resetAtMs: number
  leftMicros: Left
  /** Of one that the limits refused. */
  tightest?: Tightest
}
/** `atMs`: whose day and month it is charged to. */
export type Reserved = { ok: true; tightest: Tightest; atMs: number } | Refused
/** `overMicros`: what it cost beyond its reservation, which should be nothing. */
export type Settled = { ok: true; chargedMicros: number; overMicros: number } | { ok: false; reason: 'unknown' }

/** A lower limit the person sets; null: the plan's. */
export type Caps = { dayMicros: number | null; monthMicros: number | null }
export type BudgetChange = { plan?: PlanName; isPaused?: boolean; caps?: { own: Caps; background: Caps } }
export type Window = {
  limitMicros: number
  capMicros: number | null
  spentMicros: number
  reservedMicros: number
  leftMicros: number
  resetsAtMs: number
}
export type Account = { day: Window; month: Window }
/** `keys`: what those that spent anything this month did spend. */
export type BudgetSummary = {
  plan: PlanName
  isPaused: boolean
  own: Account
  background: Account
  keys: Record<string, KeySpending>
}

const CLOSED_KEPT_MS = 7 * 24 * 3600_000
const SPENT_KEPT_MS = 70 * 24 * 3600_000
// One statement asks the ledger of them.
const MAX_STALE = 200
const NO_CAPS: Caps = { dayMicros: null, monthMicros: null }

type AccountName = 'own' | 'background'
/** `ownPlan` is empty where the person has none, so that what they set does not keep the plan of that day. */
type Settings = { plan: PlanName; ownPlan: PlanName | ''; isPaused: boolean; caps: Record<AccountName, Caps> }
type HoldId = { id: string; deadlineMs?: number | undefined }
type CallRow = {
  id: string
  state: 'reserved' | 'settled' | 'lost'
  account: AccountName
  day: string
  month: string
  worst: number
  cost: number
  reserved_ms: number
  deadline_ms: number
  ask: string
  key_id: string | null
}

/**
 * Holds back the worst case of a call, if what was spent and what is held leave room for it. Asked again with the same
 * deadline, the new reservation takes the place of the old one, or the old one stays; with another it is one more, for
 * what the first was held for may have been sent. `plan`: of a person who has none.
 */
export function reserve(sql: SqlStorage, ask: Ask, nowMs: number, plan: PlanName): Reserved {
  // Anything that is no amount compares as smaller than everything.
  if (!Number.isSafeInteger(ask.worstMicros) || ask.worstMicros < 0) throw new RangeError('worstMicros is no amount')
  const { state, deadline, ...settings } = readSettings(sql, plan, ask.id)
  const isAgain = state === 'reserved' && deadline !== ask.deadlineMs
  const replaced = isAgain ? '' : ask.id
  const account = ask.isBackground ? 'background' : 'own'
  const windows = readAccount(sql, settings, account, nowMs, replaced)
  const ofKey = ask.key && leftOfKey(sql, ask.key, nowMs, replaced)
  const leftMicros = {
    day: Math.min(windows.day.leftMicros, ofKey?.day ?? Number.MAX_SAFE_INTEGER),
    month: Math.min(windows.month.leftMicros, ofKey?.month ?? Number.MAX_SAFE_INTEGER),
  }
  if (state !== null && state !== 'reserved') return { ok: false, reason: 'settled', resetAtMs: 0, leftMicros }
  if (settings.isPaused) return { ok: false, reason: 'paused', resetAtMs: 0, leftMicros }
  const tightest = tightestOf(windows, leftMicros, ask)
  // The month first: of two that are used up it is the one to wait for.
  for (const name of ['month', 'day'] as const) {
    const { leftMicros: left, limitMicros, spentMicros, reservedMicros, resetsAtMs: resetAtMs } = windows[name]
    if (ask.worstMicros <= left) continue
    const isPlan = ask.worstMicros > limitMicros - spentMicros - reservedMicros
    return {
      ok: false,
      reason: ask.isBackground ? 'background' : isPlan ? name : 'cap',
      resetAtMs,
      leftMicros,
      tightest,
    }
  }
  for (const name of ['month', 'day'] as const) {
    if (ask.worstMicros > leftMicros[name])
      return { ok: false, reason: 'key', resetAtMs: windows[name].resetsAtMs, leftMicros, tightest }
  }
  const { day, month } = periodsOf(nowMs)
  if (isAgain) sql.exec("update or replace ai_calls set id = id || '.' || deadline_ms where id = ?", ask.id)
  sql.exec(
    `insert or replace into ai_calls (id, state, account, day, month, worst, reserved_ms, deadline_ms, ask, key_id)
     values (?, 'reserved', ?, ?, ?, ?, ?, ?, ?, ?)`,
    ask.id,
    account,
    day,
    month,
    ask.worstMicros,
    nowMs,
    ask.deadlineMs,
    JSON.stringify(ask),
    ask.key?.id ?? null,
  )
  return { ok: true, tightest: { ...tightest, leftMicros: tightest.leftMicros - ask.worstMicros }, atMs: nowMs }
}

/**
 * Charges what a call cost, once however often it is told. One whose provider did not say is charged its reservation;
 * one that had been given up as lost is corrected.
 */
export function settle(sql: SqlStorage, settlement: Settlement, nowMs: number): Settled {
  const call = findCall(sql, settlement)
  if (!call) return { ok: false, reason: 'unknown' }
  if (call.state === 'settled') return { ok: true, chargedMicros: call.cost, overMicros: 0 }
  const costMicros = settlement.isEstimated ? Math.max(call.worst, settlement.costMicros) : settlement.costMicros
  const isCorrection = call.state === 'lost'
  if (!isCorrection) book(sql, askOf(call), call.reserved_ms, { ...settlement, costMicros })
  else if (!settlement.isEstimated || costMicros !== call.cost) {
    const lost = { outcome: 'reversed' as const, isEstimated: true, costMicros: -call.cost }
    book(sql, askOf(call), call.reserved_ms, lost, 'reversal')
    book(sql, askOf(call), call.reserved_ms, { ...settlement, costMicros }, 'final')
  }
  close(sql, call, 'settled', costMicros, nowMs)
  return { ok: true, chargedMicros: costMicros, overMicros: Math.max(0, costMicros - call.worst) }
}

/** Gives back what was held for a call that was never sent. */
export function release(sql: SqlStorage, id: string, deadlineMs?: number): { ok: true; released: boolean } {
  const call = findCall(sql, { id, deadlineMs })
  if (call?.state !== 'reserved') return { ok: true, released: false }
  sql.exec('delete from ai_calls where id = ?', call.id)
  return { ok: true, released: true }
}

/** Holds of calls of which nothing was heard in time. */
export function stale(sql: SqlStorage, nowMs: number): Stale[] {
  return sql
    .exec<Stale>(
      `select json_extract(ask, '$.id') as id, json_extract(ask, '$.userId') as "userId", deadline_ms as "deadlineMs"
       from ai_calls where state = 'reserved' and deadline_ms <= ? order by ai_calls.id limit ?`,
      ...[nowMs, MAX_STALE],
    )
    .toArray()
}

/**
 * Ends calls that are stale: at what the ledger knows of them (`costs`), whose lines are there; else they are lost, and
 * charged their worst case. Answers the ids of the lost.
 */
export function overdue(sql: SqlStorage, calls: Stale[], costs: ReadonlyMap<string, number>, nowMs: number): string[] {
  const lost = calls.flatMap((hold) => {
    const call = findCall(sql, hold)
    // Heard of while the ledger was asked.
    if (call?.state !== 'reserved') return []
    const known = costs.get(lineId(hold))
    if (known === undefined)
      book(sql, askOf(call), call.reserved_ms, { outcome: 'lost', isEstimated: true, costMicros: call.worst })
    close(sql, call, known === undefined ? 'lost' : 'settled', known ?? call.worst, nowMs)
    return known === undefined ? [hold.id] : []
  })
  sql.exec("delete from ai_calls where state <> 'reserved' and closed_ms < ?", nowMs - CLOSED_KEPT_MS)
  sql.exec('delete from ai_spent where period < ?', periodsOf(nowMs - SPENT_KEPT_MS).month)
  return lost
}

/** When the next reservation is overdue; null when nothing is held. */
export function nextDeadlineMs(sql: SqlStorage): number | null {
  return sql.exec<{ due: number | null }>("select min(deadline_ms) as due from ai_calls where state = 'reserved'").one()
    .due
}

/** What may be spent, what was, and what is held, at this moment. */
export function summary(sql: SqlStorage, nowMs: number, defaultPlan: PlanName): BudgetSummary {
  const settings = readSettings(sql, defaultPlan)
  const { plan, isPaused } = settings
  const read = (account: AccountName) => readAccount(sql, settings, account, nowMs)
  return { plan, isPaused, own: read('own'), background: read('background'), keys: spentByKeys(sql, nowMs) }
}

/** Changes what is given; a lower limit takes nothing back that is held. */
export function setBudget(sql: SqlStorage, change: BudgetChange, nowMs: number, defaultPlan: PlanName): BudgetSummary {
  const { ownPlan, isPaused, caps } = { ...readSettings(sql, defaultPlan), ...change }
  sql.exec(
    'insert or replace into ai_settings (one, plan, is_paused, caps) values (1, ?, ?, ?)',
    change.plan ?? ownPlan,
    isPaused ? 1 : 0,
    JSON.stringify(caps),
  )
  return summary(sql, nowMs, defaultPlan)
}

function close(sql: SqlStorage, call: CallRow, state: 'settled' | 'lost', cost: number, nowMs: number): void {
  sql.exec('update ai_calls set state = ?, cost = ?, closed_ms = ? where id = ?', state, cost, nowMs, call.id)
  const { account, key_id: key, day, month } = call
  const micros = cost - call.cost
  for (const spender of key === null ? [account] : [account, key]) {
    sql.exec(
      `insert into ai_spent (account, period, micros) values (?, ?, ?), (?, ?, ?)
       on conflict (account, period) do update set micros = micros + excluded.micros`,
      ...[spender, day, micros],
      ...[spender, month, micros],
    )
  }
}

/** The call as it was held with this deadline, or as it is held now. */
function findCall(sql: SqlStorage, { id, deadlineMs }: HoldId): CallRow | undefined {
  return sql
    .exec<CallRow>(
      'select * from ai_calls where id in (?, ?) and deadline_ms = coalesce(?, deadline_ms) order by id',
      ...[id, `${id}.${deadlineMs}`, deadlineMs ?? null],
    )
    .toArray()[0]
}

function askOf(call: CallRow): Ask {
  return JSON.parse(call.ask)
}

type Standing = { state: CallRow['state'] | null; deadline: number | null }
type SettingsRow = { plan: PlanName | '' | null; paused: number; caps: string | null } & Standing

/** With them how the call of this id stands, if there is one: it is asked before every call. */
function readSettings(sql: SqlStorage, defaultPlan: PlanName, callId = ''): Settings & Standing {
  const { plan, paused, caps, state, deadline } = sql
    .exec<SettingsRow>(
      `select s.plan, coalesce(s.is_paused, 0) as paused, s.caps, c.state, c.deadline_ms as deadline
       from (select 1) left join ai_settings s left join ai_calls c on c.id = ?`,
      callId,
    )
    .one()
  return {
    plan: plan || defaultPlan,
    ownPlan: plan ?? '',
    isPaused: paused === 1,
    caps: caps === null ? { own: NO_CAPS, background: NO_CAPS } : JSON.parse(caps),
    state,
    deadline,
  }
}

function readAccount(sql: SqlStorage, settings: Settings, account: AccountName, nowMs: number, except = ''): Account {
  const { day, month } = periodsOf(nowMs)
  // One statement: this is asked before every call.
  const known = sql
    .exec<{ day: number; month: number; spentDay: number | null; spentMonth: number | null }>(
      `select coalesce(sum(worst) filter (where day = ?), 0) as day, coalesce(sum(worst), 0) as month,
         (select micros from ai_spent where account = ? and period = ?) as "spentDay",
         (select micros from ai_spent where account = ? and period = ?) as "spentMonth"
       from ai_calls where state = 'reserved' and account = ? and month = ? and id <> ?`,
      ...[day, account, day, account, month],
      ...[account, month, except],
    )
    .one()
  const at = new Date(nowMs)
  const [year, monthIndex, date] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
  const limits: Limits = PLANS[settings.plan][account]
  const caps = settings.caps[account]
  const window = (limitMicros: number, capMicros: number | null, spentMicros: number, reservedMicros: number) => ({
    limitMicros,
    capMicros,
    spentMicros,
    reservedMicros,
    leftMicros: Math.max(0, Math.min(limitMicros, capMicros ?? limitMicros) - spentMicros - reservedMicros),
  })
  return {
    day: {
      ...window(limits.day, caps.dayMicros, known.spentDay ?? 0, known.day),
      resetsAtMs: Date.UTC(year, monthIndex, date + 1),
    },
    month: {
      ...window(limits.month, caps.monthMicros, known.spentMonth ?? 0, known.month),
      resetsAtMs: Date.UTC(year, monthIndex + 1),
    },
  }
}
