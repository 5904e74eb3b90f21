import type { Migration } from '#core'
import { type Act, draw, effectOf, explain, halved, type Line, meanOf, type Tally } from './acceptance.ts'

/** To be listed among the migrations of the object that keeps what is learned of a person. */
export const LEARNING_MIGRATIONS: readonly Migration[] = [
  {
    name: 'acceptance',
    sql: `create table acceptance (kind text not null, part text not null, week text not null, yes real not null,
      no real not null, at_ms integer not null, primary key (kind, part, week)) without rowid`,
  },
  {
    name: 'acceptance_rules',
    // An empty part or week: whichever it is.
    sql: `create table acceptance_rules (kind text not null, part text not null, week text not null, rule text not null,
      primary key (kind, part, week)) without rowid`,
  },
  {
    name: 'acceptance_heard',
    sql: 'create table acceptance_heard (id text primary key, at_ms integer not null) without rowid',
  },
]

/** One thing a person did about a suggestion; `id` is the event's, so that hearing it again is nothing. */
export type Heard = { id: string; kind: string; cell: string; act: Act }
export type Edit = { kind: string; part?: string | null; week?: string | null; set: 'pin' | 'mute' | 'forget' }
/** `expected`: the share of such suggestions that are taken. `better`: a cell among `later` that is worth waiting for. */
export type Weighed = { speak: boolean; expected: number; better: string | null }
export type LearningAsk =
  | { do: 'weigh'; kind: string; cell: string; later: string[] }
  | { do: 'learn'; heard: Heard[] }
  | { do: 'show' }
  | { do: 'edit'; edits: Edit[] }
  | { do: 'reset' }
export type LearningAnswer = { weighed: Weighed | null; lines: Line[] }

/** Under it a kind is no longer offered at this time: what is expected after four in a row were dismissed. */
const MUTE_BELOW = 0.15
/** A muted one is tried again when a draw from what is believed of it comes to this: the less is known, the sooner. */
const TRY_ABOVE = 0.35
const HEARD_KEPT_MS = 30 * 24 * 3600_000
const WORTH_WAITING = 2
const ENOUGH = 3

/** The one door of what is learned, for the object that keeps it. `chance`: at least 0, under 1. */
export function learning(sql: SqlStorage, ask: LearningAsk, nowMs: number, chance: () => number): LearningAnswer {
  switch (ask.do) {
    case 'weigh':
      return { weighed: weigh(sql, ask, nowMs, chance), lines: [] }
    case 'learn':
      for (const heard of ask.heard) learn(sql, heard, nowMs)
      return { weighed: null, lines: [] }
    case 'edit':
      for (const edit of ask.edits) change(sql, edit)
      break
    case 'reset':
      for (const table of ['acceptance', 'acceptance_rules', 'acceptance_heard']) sql.exec(`delete from ${table}`)
      break
    case 'show':
      break
  }
  return { weighed: null, lines: explain(tallies(sql, nowMs), rules(sql), MUTE_BELOW) }
}

const split = (cell: string): [string, string] => {
  const [part = '', week = ''] = cell.split('/')
  return [part, week]
}

type Row = { kind: string; part: string; week: string; yes: number; no: number; at: number }

function tallies(sql: SqlStorage, nowMs: number, kind?: string): Tally[] {
  const rows = sql
    .exec<Row>(
      `select kind, part, week, yes, no, at_ms as "at" from acceptance where ? is null or kind = ? order by kind`,
      kind ?? null,
      kind ?? null,
    )
    .toArray()
  return rows.map(({ at, ...row }) => ({ ...row, yes: halved(row.yes, nowMs - at), no: halved(row.no, nowMs - at) }))
}

type Rule = { kind: string; part: string; week: string; rule: string }

const rules = (sql: SqlStorage): Rule[] =>
  sql.exec<Rule>('select kind, part, week, rule from acceptance_rules').toArray()

/** What a person did moves what is expected; each act counts once. */
function learn(sql: SqlStorage, { id, kind, cell, act }: Heard, nowMs: number): void {
  const isNew = sql
    .exec('insert into acceptance_heard (id, at_ms) values (?, ?) on conflict do nothing returning id', id, nowMs)
    .toArray()
  sql.exec('delete from acceptance_heard where at_ms < ?', nowMs - HEARD_KEPT_MS)
  if (isNew.length === 0) return
  const [part, week] = split(cell)
  const known = tallies(sql, nowMs, kind).find((tally) => tally.part === part && tally.week === week)
  const { yes, no } = effectOf(act)
  sql.exec(
    'insert or replace into acceptance (kind, part, week, yes, no, at_ms) values (?, ?, ?, ?, ?, ?)',
    ...[kind, part, week],
    Math.max(0, (known?.yes ?? 0) + yes),
    Math.max(0, (known?.no ?? 0) + no),
    nowMs,
  )
}

function change(sql: SqlStorage, { kind, part, week, set }: Edit): void {
  const of = [kind, part ?? '', week ?? '']
  // Of no part or week: all of them.
  const within = `kind = ?1 and (?2 = '' or part = ?2) and (?3 = '' or week = ?3)`
  if (set === 'forget')
    for (const table of ['acceptance', 'acceptance_rules']) sql.exec(`delete from ${table} where ${within}`, ...of)
  else sql.exec('insert or replace into acceptance_rules (kind, part, week, rule) values (?, ?, ?, ?)', ...of, set)
}

/** Whether to offer this kind now. What the person said of it goes before what was learned. */
function weigh(
  sql: SqlStorage,
  { kind, cell, later }: Extract<LearningAsk, { do: 'weigh' }>,
  nowMs: number,
  chance: () => number,
): Weighed {
  const all = tallies(sql, nowMs, kind)
  const [part, week] = split(cell)
  const { mean: expected, yes, no } = meanOf(all, part, week)
  const said = rules(sql).filter((rule) => rule.kind === kind)
  const closest = [
    [part, week],
    ['', week],
    [part, ''],
    ['', ''],
  ]
    .map(([p, w]) => said.find((rule) => rule.part === p && rule.week === w)?.rule)
    .find((rule) => rule !== undefined)
  if (closest === 'pin') return { speak: true, expected, better: null }
  if (closest === 'mute') return { speak: false, expected, better: null }
  const speak = expected >= MUTE_BELOW || draw(yes, no, chance) > TRY_ABOVE
  const best = later
    .map((name) => ({ name, ...meanOf(all, ...split(name)) }))
    .filter(({ seen, mean }) => seen >= ENOUGH && mean >= expected * WORTH_WAITING)
    .sort((a, b) => b.mean - a.mean)[0]
  return { speak, expected, better: best?.name ?? null }
}
