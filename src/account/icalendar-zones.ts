import { zoneChanges } from '#core'
import { component, utc } from './icalendar.ts'

// What repeats before or after is told by the clocks of the first or the last of these years.
const FROM_YEAR = 1990
const TO_YEAR = 2060
const NAMED = /^[A-Z-]+;TZID=([^:;\r\n]+)[:;]/gm

/** The zones that lines of iCalendar name. */
export const zonesIn = (lines: string): string[] => [...lines.matchAll(NAMED)].map(([, name]) => name ?? '')

const clock = (ms: number) => utc(new Date(ms).toISOString()).slice(0, -1)

function offset(ms: number): string {
  const s = Math.round(Math.abs(ms) / 1000)
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, ...(s % 60 ? [s % 60] : [])]
  return `${ms < 0 ? '-' : '+'}${parts.map((part) => String(part).padStart(2, '0')).join('')}`
}

/** RFC 5545, 3.6.5: when a zone's clocks change, by the clock before; there is one for each name that is used. */
export function toVtimezone(name: string): string {
  const { firstMs, changes } = zoneChanges(name, FROM_YEAR, TO_YEAR)
  const observed = [{ kind: 'STANDARD', from: firstMs, to: firstMs, at: `${FROM_YEAR}0101T000000` }]
  let before = firstMs
  for (const { ms, offsetMs } of changes) {
    const kind = offsetMs > before ? 'DAYLIGHT' : 'STANDARD'
    observed.push({ kind, from: before, to: offsetMs, at: clock(ms + before) })
    before = offsetMs
  }
  const alike = Map.groupBy(observed, ({ kind, from, to }) => `${kind} ${from} ${to}`).values()
  const within = [...alike].map(([first, ...more]) =>
    first
      ? component(first.kind, [
          ['DTSTART', first.at],
          ['TZOFFSETFROM', offset(first.from)],
          ['TZOFFSETTO', offset(first.to)],
          ['RDATE', more.length > 0 ? more.map(({ at }) => at).join() : null],
        ])
      : '',
  )
  return component('VTIMEZONE', [['TZID', name]], within.join(''))
}
