import { Temporal } from 'temporal-polyfill'
import { createMemo } from './memo.ts'

/** The person's "now": every relative word is read against it. */
export type Clock = { zone: string; locale: string; now: Temporal.ZonedDateTime; today: Temporal.PlainDate }
export type Day = Temporal.PlainDate
export type Hm = { hour: number; minute: number }

/** A wall clock as the tools take it; without `timeZone` it is the person's. */
export type Moment = { date: string; time?: string; timeZone?: string }

const MINUTE_NS = 60_000_000_000n

const memo = createMemo<Clock>()

export const clockAt = (iso: string, timeZone: string, locale: string): Clock =>
  memo(`${iso} ${timeZone} ${locale}`, () => {
    const zone = isZone(timeZone) ? timeZone : 'UTC'
    const now = instantOf(iso).toZonedDateTimeISO(zone)
    return { zone, locale, now, today: now.toPlainDate() }
  })

function instantOf(iso: string): Temporal.Instant {
  const ms = Date.parse(iso)
  return Temporal.Instant.fromEpochMilliseconds(Number.isFinite(ms) ? ms : 0)
}

const MAX_ZONES = 1000
// A formatter is dear to make.
const zones = new Map<string, boolean>()

function isZone(name: string): boolean {
  const known = zones.get(name)
  if (known !== undefined) return known
  const found = canFormat(name)
  if (zones.size < MAX_ZONES) zones.set(name, found)
  return found
}

function canFormat(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return true
  } catch {
    return false
  }
}

const pad = (n: number) => String(n).padStart(2, '0')
export const hm = (t: Hm) => `${pad(t.hour)}:${pad(t.minute)}`
export const minutesOf = (t: Hm) => t.hour * 60 + t.minute
export const hmOf = (minutes: number): Hm => ({ hour: Math.floor(minutes / 60) % 24, minute: minutes % 60 })
const parseHm = (text: string): Hm => ({ hour: Number(text.slice(0, 2)), minute: Number(text.slice(3, 5)) })

export const startOfWeek = (day: Day) => day.subtract({ days: day.dayOfWeek - 1 })
export const endOfMonth = (day: Day) => day.with({ day: day.daysInMonth })

/** The next such weekday strictly after `day`. */
export const weekdayAfter = (day: Day, weekday: number) => day.add({ days: ((weekday - day.dayOfWeek + 6) % 7) + 1 })
export const weekdayBefore = (day: Day, weekday: number) =>
  day.subtract({ days: ((day.dayOfWeek - weekday + 6) % 7) + 1 })
export const earlier = (a: Day, b: Day) => Temporal.PlainDate.compare(a, b) < 0

/** A wall clock that a spring-forward night skips becomes the one the clocks then show. */
export function moment(date: Day, time: Hm | undefined, zone: string, timeZone?: string): Moment {
  if (!time) return { date: date.toString(), ...(timeZone ? { timeZone } : {}) }
  const real = date.toZonedDateTime({
    timeZone: timeZone ?? zone,
    plainTime: new Temporal.PlainTime(time.hour, time.minute),
  })
  const wall = { date: real.toPlainDate().toString(), time: hm(real) }
  return timeZone ? { ...wall, timeZone } : wall
}

/** An exact instant as a wall clock; the second 01:30 of an autumn night has no name of its own and goes out in UTC. */
export function momentOfInstant(at: Temporal.ZonedDateTime, zone: string): Moment {
  const local = at.withTimeZone(zone)
  const again = local.toPlainDateTime().toZonedDateTime(zone)
  if (again.epochNanoseconds === local.epochNanoseconds)
    return { date: local.toPlainDate().toString(), time: hm(local) }
  const utc = at.withTimeZone('UTC')
  return { date: utc.toPlainDate().toString(), time: hm(utc), timeZone: 'UTC' }
}

/** To the nearest minute, so that "in 20 minutes" has no seconds. */
export function wholeMinute(at: Temporal.ZonedDateTime): Temporal.ZonedDateTime {
  const minutes = (at.epochNanoseconds + MINUTE_NS / 2n) / MINUTE_NS
  return new Temporal.ZonedDateTime(minutes * MINUTE_NS, at.timeZoneId)
}

/** Reads a moment back, in the zone of the person. */
export function wallOf(value: Moment, zone: string): { date: Day; time?: Hm } {
  const date = Temporal.PlainDate.from(value.date)
  if (!value.time) return { date }
  const time = parseHm(value.time)
  if (!value.timeZone || value.timeZone === zone || !isZone(value.timeZone)) return { date, time }
  const there = date.toZonedDateTime({
    timeZone: value.timeZone,
    plainTime: new Temporal.PlainTime(time.hour, time.minute),
  })
  const here = there.withTimeZone(zone)
  return { date: here.toPlainDate(), time: { hour: here.hour, minute: here.minute } }
}

export const instantText = (date: Day, time: Hm, zone: string) =>
  date
    .toZonedDateTime({ timeZone: zone, plainTime: new Temporal.PlainTime(time.hour, time.minute) })
    .toInstant()
    .toString()
