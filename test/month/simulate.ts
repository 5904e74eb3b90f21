import { newSecrets } from '../../local/secrets.ts'
import { createChance } from '../proofs/chance.ts'
import { type Sabotage, withSource } from '../proofs/sabotage.ts'
import { audit } from './audit.ts'
import { type ClockedDatabase, startClockedDatabase } from './database.ts'
import type { Month } from './figures.ts'
import { type Expected, liveDay, makePhones, moveIn, reactTo } from './life.ts'
import { startModel } from './model.ts'
import { DAY_MS, type Human, MINUTE_MS, makeHuman, START_MS } from './people.ts'
import { openShell } from './shell.ts'
import { createTimeline } from './timeline.ts'

const TICK_MS = 60 * MINUTE_MS

export type MonthOptions = {
  seed: number
  people: number
  days: number
  /** What is done to the product's source first. */
  changes?: Sabotage[]
  /** On PGlite, whatever else is there. */
  isSmall?: boolean
  onDay?: (day: number) => void
}

/** Lets the people live for so many days by a clock that is set, and tells what they got. */
export async function simulateMonth(options: MonthOptions): Promise<Month> {
  const [database, model] = await Promise.all([
    startClockedDatabase({ isSmall: options.isSmall ?? false }),
    startModel(),
  ])
  try {
    return await withSource(options.changes ?? [], (dir) => live(options, { database, model, dir }))
  } finally {
    await model.stop()
    await database.close()
  }
}

type Ground = { database: ClockedDatabase; model: Awaited<ReturnType<typeof startModel>>; dir: string }

async function live({ seed, people, days, onDay }: MonthOptions, ground: Ground): Promise<Month> {
  const { database, model, dir } = ground
  const startedMs = performance.now()
  const chance = createChance(seed)
  const timeline = createTimeline()
  const phones = makePhones()
  const vars = {
    ...{ ENVIRONMENT: 'test', PUBLIC_URL: 'http://aurelius.month', RATE_LIMIT_FACTOR: '1000', LOG_LEVEL: 'error' },
    ...{ DATABASE_URL: database.connectionString, DATABASE_FETCH_ENDPOINT: database.url },
    ...(await newSecrets()),
    ...model.vars,
  }
  const shell = await openShell({ dir, database, vars, timeline, chance, also: phones.subscriber })
  const endMs = START_MS + days * DAY_MS
  const stage = { shell, timeline, chance, endMs }
  const humans = Array.from({ length: people }, () => makeHuman(chance))
  const byId = new Map(humans.map((human) => [human.userId, human]))
  await shell.setClock(START_MS)
  await insert(database, humans)
  phones.onOffer((told) => {
    const human = byId.get(told.userId)
    if (human) reactTo(stage, human, told)
  })
  const expected = new Map<string, Expected>()
  for (const human of humans) {
    const theirs: Expected = { reminders: new Map(), events: new Set(), schedules: new Set() }
    expected.set(human.userId, theirs)
    await moveIn(stage, human, theirs)
    await shell.settle()
  }
  for (let ms = START_MS + TICK_MS; ms < endMs; ms += TICK_MS) timeline.at(ms, () => shell.tick())
  for (let day = 0; day < days; day++)
    timeline.at(START_MS + day * DAY_MS, async () => {
      onDay?.(day)
      // A day of theirs may have begun: what is past of it is left out.
      for (const human of humans) liveDay(stage, human, expected.get(human.userId) ?? nothing(), day)
    })
  for (let item = timeline.next(); item && item.ms <= endMs + MINUTE_MS; item = timeline.next()) {
    await shell.setClock(Math.max(item.ms, shell.clock.ms))
    await item.run()
    await shell.settle()
  }
  const wallS = (performance.now() - startedMs) / 1000
  return await audit({ database, shell, humans, expected, phones, calls: model.calls, days, endMs, wallS })
}

const nothing = (): Expected => ({ reminders: new Map(), events: new Set(), schedules: new Set() })

async function insert(database: ClockedDatabase, humans: Human[]): Promise<void> {
  const rows = humans.map(({ userId, zone, quietHours }) => ({ userId, zone, quietHours }))
  await database.query(
    `insert into users (id, email, display_name, time_zone, quiet_hours)
      select "userId", "userId" || '@example.com', 'Sam', zone, nullif("quietHours"::text, 'null')::jsonb
      from json_to_recordset($1::json) as r("userId" text, zone text, "quietHours" json)`,
    [JSON.stringify(rows)],
  )
}
