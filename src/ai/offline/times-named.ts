import { earlier, type Hm } from './clock.ts'
import { type Core, hasPrep, type Spot } from './pieces.ts'

export const time = (hour: number, minute: number, sure: boolean): Core | undefined =>
  hour > 24 || minute > 59
    ? undefined
    : { kind: 'time', hour: hour % 24, minute, sure: sure || hour > 12 || hour === 0 }

const NAMED_TIMES: [RegExp, number, number][] = [
  [/midday|noon/i, 12, 0],
  [/^(?:at )?lunch/i, 12, 30],
  [/first thing/i, 9, 0],
  [/close of business|cob|end of (?:the )?(?:work(?:ing)? )?day|eod/i, 17, 0],
  [/bed/i, 22, 0],
  [/dinner/i, 19, 0],
  [/breakfast/i, 8, 0],
  [/dawn|sunrise/i, 6, 30],
  [/sunset|dusk/i, 18, 0],
]

const AROUND_EVENTS: Record<string, [before: Hm, after: Hm]> = {
  breakfast: [
    { hour: 7, minute: 30 },
    { hour: 9, minute: 0 },
  ],
  lunch: [
    { hour: 12, minute: 0 },
    { hour: 13, minute: 30 },
  ],
  dinner: [
    { hour: 18, minute: 0 },
    { hour: 20, minute: 0 },
  ],
  work: [
    { hour: 8, minute: 0 },
    { hour: 18, minute: 0 },
  ],
  school: [
    { hour: 8, minute: 0 },
    { hour: 15, minute: 30 },
  ],
  bed: [
    { hour: 21, minute: 30 },
    { hour: 22, minute: 0 },
  ],
}

export function named(text: string): Core | undefined {
  const hit = NAMED_TIMES.find(([re]) => re.test(text))
  return hit ? time(hit[1], hit[2], true) : undefined
}

export function endOfDay(spot: Spot): Core {
  const late = spot.clock.now.hour >= 17 && !spot.near
  return {
    kind: 'time',
    hour: late ? 23 : 17,
    minute: late ? 59 : 0,
    sure: true,
    ...(spot.near ? {} : { date: spot.clock.today }),
  }
}

export function midnight(spot: Spot): Core {
  const by = hasPrep(spot, 'by', 'before', 'until')
  if (by) return { kind: 'time', hour: 23, minute: 59, sure: true }
  return spot.near
    ? { kind: 'time', hour: 0, minute: 0, sure: true }
    : { kind: 'time', hour: 0, minute: 0, sure: true, date: spot.clock.today.add({ days: 1 }) }
}

/** "later" today: three hours on, within the day. */
export function later(spot: Spot): Core {
  const hour = Math.min(21, spot.clock.now.hour + 3)
  const date = hour > spot.clock.now.hour ? spot.clock.today : spot.clock.today.add({ days: 1 })
  return { kind: 'time', hour: earlier(spot.clock.today, date) ? 9 : hour, minute: 0, sure: true, date }
}

export function aroundEvent(event: string, spot: Spot): Core | undefined {
  const pair = AROUND_EVENTS[event.toLowerCase()]
  if (!pair || !/^\s*(?:$|[,.;!?]|(?:on|today|tomorrow|tonight|and|remind|i|to|please)\b)/i.test(spot.after))
    return undefined
  if (hasPrep(spot, 'before')) return { kind: 'time', ...pair[0], sure: true }
  return hasPrep(spot, 'after') ? { kind: 'time', ...pair[1], sure: true } : undefined
}
