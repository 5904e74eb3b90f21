import type { Temporal } from 'temporal-polyfill'
import type { Clock, Day, Hm } from './clock.ts'

export type Rel = 'on' | 'by' | 'before' | 'after' | 'from' | 'until'

/** `by*` are RRULE parts; `day` is the first day the words name, where they name one. */
export type Repeat = {
  freq: 'MINUTELY' | 'HOURLY' | 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY'
  interval: number
  byDay?: string
  byMonthDay?: string
  byMonth?: number
  bySetPos?: number
  count?: number
  until?: Day
  time?: Hm
  part?: string
}

/** How long before the due time to remind; `hour` where the words name a part of an earlier day. */
export type Lead = { days: number; minutes: number }

export type Core =
  | { kind: 'date'; date: Day; monthly?: Partial<Repeat>; weekday?: number }
  | { kind: 'span'; from: Day; to: Day; due: Day; starts?: true }
  | { kind: 'time'; hour: number; minute: number; sure: boolean; date?: Day }
  | { kind: 'part'; part: string }
  | { kind: 'hours'; from: Hm; to: Hm }
  | { kind: 'instant'; at: Temporal.ZonedDateTime }
  | { kind: 'repeat'; repeat: Repeat }
  | { kind: 'lead'; lead: Lead }
  | { kind: 'zone'; zone: string }
  | { kind: 'length'; minutes: number }
  | { kind: 'count'; times: number }
  | { kind: 'except'; days: number[] }

export type Piece = { start: number; end: number; rel: Rel; preps: string[]; possessive: boolean; core: Core }

/** `bare` lets a lone number be an hour; `lean` is the way a lone weekday points. */
export type ScanOptions = { bare?: boolean; lean?: 'future' | 'past'; ranges?: boolean }

export type Spot = {
  clock: Clock
  preps: string[]
  near: boolean
  last: Core['kind'] | undefined
  after: string
  options: ScanOptions
}

export type Rule = { re: RegExp; read: (m: RegExpExecArray, spot: Spot) => Core | undefined }

export const hasPrep = (spot: Spot, ...words: string[]) => spot.preps.some((p) => words.includes(p))
