export type Moment = { date: string; time?: string; timeZone?: string }
/** How it comes again: as an RRULE, and what of it a simpler rhythm is made of. */
export type Rhythm = { rrule: string; freq: string; interval: number; byDay: string | null; isPlain: boolean }
/** `moment` is a wall clock of the person, of a rhythm the first time; `rest` the text without it. */
export type ReadTime = { moment: Moment | null; rhythm: Rhythm | null; isTimed: boolean; rest: string }

/** The time a text speaks of, by rules: the reader of the offline model, which is loaded where it is asked. */
export async function readTime(text: string, { now, timeZone }: { now: string; timeZone: string }): Promise<ReadTime> {
  const [{ clockAt, moment, momentOfInstant }, { readWhen }, { rruleOf }] = await Promise.all([
    import('./offline/clock.ts'),
    import('./offline/when.ts'),
    import('./offline/rhythm.ts'),
  ])
  const { when, rest } = readWhen(text, clockAt(now, timeZone, 'en'))
  const { exact, date, time, zone, repeat } = when ?? {}
  const read = exact ? momentOfInstant(exact, timeZone) : date ? moment(date, time, timeZone, zone) : null
  const rhythm = repeat && {
    rrule: rruleOf(repeat),
    ...{ freq: repeat.freq, interval: repeat.interval, byDay: repeat.byDay ?? null },
    isPlain: rruleOf({ freq: repeat.freq, interval: 1, byDay: repeat.byDay }) === rruleOf(repeat),
  }
  return { moment: read, rhythm: rhythm ?? null, isTimed: time !== undefined, rest }
}
