export type Moment = { date: string; time?: string; timeZone?: string }
/** `moment` is a wall clock of the person; `rest` the text without it. */
export type ReadTime = { moment: Moment | null; repeats: boolean; rest: string }

/** The time a text speaks of, by rules: the reader of the offline model, which is loaded where it is asked. */
export async function readTime(text: string, { now, timeZone }: { now: string; timeZone: string }): Promise<ReadTime> {
  const [{ clockAt, moment, momentOfInstant }, { readWhen }] = await Promise.all([
    import('./offline/clock.ts'),
    import('./offline/when.ts'),
  ])
  const { when, rest } = readWhen(text, clockAt(now, timeZone, 'en'))
  const { exact, date, time, zone } = when ?? {}
  const read = exact ? momentOfInstant(exact, timeZone) : date ? moment(date, time, timeZone, zone) : null
  return { moment: read, repeats: when?.repeat !== undefined, rest }
}
