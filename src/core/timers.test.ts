import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import {
  armTimer,
  cancelTimer,
  type DueTimer,
  fireDue,
  keepAlarm,
  migrate,
  nextAlarmMs,
  retryDelayMs,
  TIMER_MIGRATIONS,
  type Timer,
} from './timers.ts'

const T0 = Date.UTC(2026, 10, 23, 9)

/** Durable Object storage over SQLite in memory: the same engine, and one alarm. */
function makeStorage() {
  const database = new DatabaseSync(':memory:')
  const exec = (query: string, ...bindings: (string | number | null)[]) => {
    const rows = database.prepare(query).all(...bindings)
    return { toArray: () => rows, one: () => rows[0], [Symbol.iterator]: () => rows[Symbol.iterator]() }
  }
  let alarm: number | null = null
  const storage = {
    sql: { exec },
    transactionSync(closure: () => void) {
      database.exec('begin')
      try {
        closure()
        database.exec('commit')
      } catch (error) {
        database.exec('rollback')
        throw error
      }
    },
    setAlarm: async (ms: number) => {
      // As workerd refuses: a date its clock cannot hold.
      if (ms > Date.UTC(2189, 0)) throw new TypeError('setAlarm() cannot be called with a date this far away')
      alarm = ms
    },
    deleteAlarm: async () => {
      alarm = null
    },
  } as unknown as DurableObjectStorage
  migrate(storage, TIMER_MIGRATIONS)
  return { storage, sql: storage.sql, alarm: () => alarm }
}

const timer = (name: string, afterMs: number, version = 1, payload: unknown = null): Timer => ({
  name,
  dueMs: T0 + afterMs,
  version,
  payload,
})

async function fire(sql: SqlStorage, atMs: number, run: (due: DueTimer) => Promise<void> = async () => {}) {
  const ran: DueTimer[] = []
  const report = await fireDue(sql, atMs, async (due) => {
    ran.push(due)
    await run(due)
  })
  return { ...report, ran }
}

describe('arming', () => {
  it('runs a timer when it is due, with its payload, and once', async () => {
    const { sql } = makeStorage()
    expect(armTimer(sql, timer('nudge', 1000, 7, { taskId: 'x' }))).toBe(true)
    expect((await fire(sql, T0 + 999)).ran).toEqual([])
    const { ran, fired } = await fire(sql, T0 + 1000)
    expect(ran).toEqual([{ ...timer('nudge', 1000, 7, { taskId: 'x' }), attempt: 1 }])
    expect(fired).toEqual(['nudge'])
    expect((await fire(sql, T0 + 9e9)).ran).toEqual([])
  })

  it('ignores an equal or older version and takes a newer one', async () => {
    const { sql } = makeStorage()
    armTimer(sql, timer('nudge', 1000, 5))
    expect(armTimer(sql, timer('nudge', 10, 5))).toBe(false)
    expect(armTimer(sql, timer('nudge', 10, 4))).toBe(false)
    expect(nextAlarmMs(sql, T0)).toBe(T0 + 1000)
    expect(armTimer(sql, timer('nudge', 500, 6))).toBe(true)
    expect(nextAlarmMs(sql, T0)).toBe(T0 + 500)
  })

  it('does not let a late older arming bring back what was cancelled or fired', async () => {
    const { sql } = makeStorage()
    armTimer(sql, timer('cancelled', 100, 1))
    expect(cancelTimer(sql, 'cancelled', 3, T0)).toBe(true)
    armTimer(sql, timer('fired', 100, 3))
    await fire(sql, T0 + 100)
    expect(cancelTimer(sql, 'never armed', 3, T0)).toBe(false)
    for (const name of ['cancelled', 'fired', 'never armed']) {
      for (const version of [1, 2, 3]) expect(armTimer(sql, timer(name, 100, version))).toBe(false)
      expect(armTimer(sql, timer(name, 100, 4))).toBe(true)
    }
  })

  it('does not let a late older cancellation stop a newer arming', () => {
    const { sql } = makeStorage()
    armTimer(sql, timer('nudge', 100, 4))
    expect(cancelTimer(sql, 'nudge', 3, T0)).toBe(false)
    expect(nextAlarmMs(sql, T0)).toBe(T0 + 100)
  })

  it('forgets what was settled a month ago', async () => {
    const { sql } = makeStorage()
    cancelTimer(sql, 'nudge', 9, T0)
    await fire(sql, T0 + 29 * 86_400_000)
    expect(armTimer(sql, timer('nudge', 0, 1))).toBe(false)
    await fire(sql, T0 + 31 * 86_400_000)
    expect(armTimer(sql, timer('nudge', 0, 1))).toBe(true)
  })
})

describe('firing', () => {
  it('runs many, soonest first', async () => {
    const { sql } = makeStorage()
    for (const [name, ms] of [
      ['c', 30],
      ['a', 10],
      ['later', 99],
      ['b', 20],
    ] as const)
      armTimer(sql, timer(name, ms))
    expect((await fire(sql, T0 + 50)).fired).toEqual(['a', 'b', 'c'])
    expect(nextAlarmMs(sql, T0 + 50)).toBe(T0 + 99)
  })

  it('lets no failure block the others and tries it again, later each time', async () => {
    const { sql } = makeStorage()
    armTimer(sql, timer('bad', 0))
    armTimer(sql, timer('good', 1))
    const broken = async ({ name }: DueTimer) => {
      if (name === 'bad') throw new Error('no')
    }
    let nowMs = T0 + 1
    const first = await fire(sql, nowMs, broken)
    expect(first.fired).toEqual(['good'])
    expect(first.failed).toMatchObject([{ name: 'bad', attempt: 1 }])
    const waits: number[] = []
    for (let i = 0; i < 14; i++) {
      const next = nextAlarmMs(sql, nowMs) ?? 0
      waits.push(next - nowMs)
      nowMs = next
      expect((await fire(sql, nowMs, broken)).failed).toMatchObject([{ attempt: i + 2 }])
    }
    expect(waits.slice(0, 4)).toEqual([2_000, 4_000, 8_000, 16_000])
    expect(waits.at(-1)).toBe(3_600_000)
    expect((await fire(sql, nextAlarmMs(sql, nowMs) ?? 0)).fired).toEqual(['bad'])
    expect(nextAlarmMs(sql, nowMs)).toBe(null)
  })

  it('keeps what is armed or cancelled under the same name while it runs', async () => {
    const { sql } = makeStorage()
    for (const name of ['again', 'again, failing', 'stopped']) armTimer(sql, timer(name, 0, 1))
    const { fired, failed } = await fire(sql, T0, async ({ name }) => {
      if (name === 'stopped') cancelTimer(sql, name, 2, T0)
      else armTimer(sql, timer(name, 60_000, 2, 'second'))
      if (name === 'again, failing') throw new Error('no')
    })
    expect([fired, failed.length]).toEqual([['again', 'stopped'], 1])
    expect(nextAlarmMs(sql, T0)).toBe(T0 + 60_000)
    const { ran } = await fire(sql, T0 + 60_000)
    expect(ran.map(({ name, version, attempt }) => [name, version, attempt])).toEqual([
      ['again', 2, 1],
      ['again, failing', 2, 1],
    ])
  })

  it('runs again what died while it ran', async () => {
    const { sql } = makeStorage()
    armTimer(sql, timer('nudge', 0))
    const never = fireDue(sql, T0, () => new Promise<void>(() => {}))
    expect(never).toBeInstanceOf(Promise)
    expect(nextAlarmMs(sql, T0)).toBe(T0 + retryDelayMs(0))
    expect((await fire(sql, T0 + retryDelayMs(0))).ran).toMatchObject([{ name: 'nudge', attempt: 2 }])
  })

  it('ends a pass that would never end', async () => {
    const { sql } = makeStorage()
    armTimer(sql, timer('restless', 0, 1))
    const { ran } = await fire(sql, T0, async ({ name, version }) => {
      armTimer(sql, timer(name, 0, version + 1))
    })
    expect(ran.length).toBe(200)
    expect(nextAlarmMs(sql, T0)).toBe(T0)
  })
})

describe('what is kept', () => {
  it('is found by an index, however much was settled', () => {
    const { sql } = makeStorage()
    const planOf = (query: string, ...given: number[]) =>
      [...sql.exec<{ detail: string }>(`explain query plan ${query}`, ...given)].map(({ detail }) => detail).join()
    expect(planOf('select min(due_ms) as due from timers where due_ms is not null')).toContain('timers_due')
    expect(planOf('select name from timers where due_ms <= ? order by due_ms, name limit 1', T0)).toMatch(
      /^SEARCH timers USING (COVERING )?INDEX timers_due \(due_ms<\?\)$/,
    )
    expect(planOf('delete from timers where due_ms is null and settled_ms < ?', T0)).toContain('timers_settled')
  })

  it('is nothing of a timer that is forgotten, unless it was armed anew or failed', async () => {
    const { sql } = makeStorage()
    const names = () => [...sql.exec<{ name: string }>('select name from timers order by name')].map(({ name }) => name)
    for (const name of ['kept', 'forgotten', 'again', 'failing']) armTimer(sql, timer(name, 0))
    const run = async ({ name }: DueTimer) => {
      if (name === 'again') armTimer(sql, timer(name, 60_000, 2))
      if (name === 'failing') throw new Error('no')
    }
    await fireDue(sql, T0, run, ({ name }) => name !== 'kept')
    expect(names()).toEqual(['again', 'failing', 'kept'])
    expect(nextAlarmMs(sql, T0)).toBe(T0 + retryDelayMs(0))
    expect(armTimer(sql, timer('forgotten', 0))).toBe(true)
  })
})

describe('the alarm', () => {
  it('is always the soonest, and gone when nothing waits', async () => {
    const { storage, sql, alarm } = makeStorage()
    await keepAlarm(storage, T0)
    expect(alarm()).toBe(null)
    armTimer(sql, timer('b', 200))
    await keepAlarm(storage, T0)
    expect(alarm()).toBe(T0 + 200)
    armTimer(sql, timer('a', 100))
    await keepAlarm(storage, T0)
    expect(alarm()).toBe(T0 + 100)
    cancelTimer(sql, 'a', 1, T0)
    cancelTimer(sql, 'b', 1, T0)
    await keepAlarm(storage, T0)
    expect(alarm()).toBe(null)
  })

  it('rings within a year for a timer of another century, and the others ring on time', async () => {
    const { storage, sql, alarm } = makeStorage()
    const farMs = Date.UTC(9000, 0) - T0
    armTimer(sql, timer('far', farMs))
    await keepAlarm(storage, T0)
    const year = 365 * 86_400_000
    expect(alarm()).toBe(T0 + year)
    expect((await fire(sql, T0 + year)).ran).toEqual([])
    await keepAlarm(storage, T0 + year)
    expect(alarm()).toBe(T0 + 2 * year)
    armTimer(sql, timer('near', 2 * year - 1))
    await keepAlarm(storage, T0 + year)
    expect(alarm()).toBe(T0 + 2 * year - 1)
  })

  it('is set again when it should have rung', async () => {
    const { storage, sql, alarm } = makeStorage()
    armTimer(sql, timer('a', 100))
    await keepAlarm(storage, T0)
    await keepAlarm(storage, T0 + 5000)
    expect(alarm()).toBe(T0 + 5000)
  })
})

describe('migrations', () => {
  it('are applied once each, the new ones later, all or none', () => {
    const { storage, sql } = makeStorage()
    const more = { name: 'more', sql: 'create table more (id integer)' }
    migrate(storage, [...TIMER_MIGRATIONS, more])
    migrate(storage, [...TIMER_MIGRATIONS, more])
    expect(sql.exec('select name from migrations order by name').toArray()).toMatchObject([
      { name: 'more' },
      { name: 'timers' },
      { name: 'timers_due' },
      { name: 'timers_settled' },
    ])
    const good = { name: 'good', sql: 'create table good (id integer)' }
    expect(() => migrate(storage, [good, { name: 'bad', sql: 'create nonsense' }])).toThrow()
    expect(sql.exec(`select 1 from sqlite_master where name = 'good'`).toArray()).toEqual([])
  })
})
