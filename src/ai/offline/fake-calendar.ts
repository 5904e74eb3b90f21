import { record, text } from './conversation.ts'

export type FakeEvent = { id: string; title: string; date: string; from: string; to: string }
type Answer = { output: unknown; isError: boolean }

const ok = (output: unknown): Answer => ({ output, isError: false })

const shown = ({ id, title, date, from, to }: FakeEvent) => ({
  ...{ id, title, occurrence: null, start: { date, time: from }, end: { date, time: to } },
})

const OFFICE = { from: 9 * 60, to: 17 * 60 }
const wall = (minutes: number) => new Date(minutes * 60_000).toISOString().slice(11, 16)

/** Slots of one day one after the other, around what is there. */
function slotsOn(events: FakeEvent[], date: string, minutes: number) {
  const slots: Record<'local' | 'localEnd', { date: string; time: string }>[] = []
  for (let at = OFFICE.from; at + minutes <= OFFICE.to; at += 15) {
    const [from, to] = [wall(at), wall(at + minutes)]
    if (events.some((event) => event.date === date && event.from < to && from < event.to)) continue
    slots.push({ local: { date, time: from }, localEnd: { date, time: to } })
    at += minutes - 15
  }
  return slots
}

/** The calendar's tools over a few events; undefined: it is none of theirs. */
export function calendarTool(events: FakeEvent[], name: string, input: Record<string, unknown>): Answer | undefined {
  const id = text(input.id)
  const known = events.find((event) => event.id === id)
  switch (name) {
    case 'list_events': {
      const [from, to] = [text(input.from), text(input.to) || '9999-12-31']
      return ok({ items: events.filter(({ date }) => from <= date && date < to).map(shown), nextCursor: null })
    }
    case 'find_time': {
      return ok({
        timeZone: 'UTC',
        slots: slotsOn(events, text(input.from), Number(input.minutes)).slice(0, Number(input.limit)),
      })
    }
    case 'create_event':
      return ok({ id: 'cal_new', title: input.title, start: input.start, end: input.end })
    case 'move_event':
    case 'delete_event':
      if (!known) return { output: { code: 'not_found', detail: `No event ${id}` }, isError: true }
      return ok({ ...shown(known), ...(name === 'move_event' && { start: record(input.start) }) })
    default:
      return undefined
  }
}
