import type * as configs from '#config'
import type * as core from '#core'
import type * as databases from '#database'
import type * as queues from '#queue'
import type * as schedulers from '#scheduler'
import type * as tasks from '#tasks'
import { memorySql } from '../steward.ts'
import type { World } from '../world.ts'
import type { Chance } from './chance.ts'
import { sourceAt } from './sabotage.ts'

const MOST_IN_A_BATCH = 10
// Here schedules only tell their person something.
const nobody = {
  check: async () => [],
  carryOut: () => {
    throw new Error('nobody carries this out')
  },
}
const NOBODY: schedulers.Carriers = { run_workflow: nobody, ask_assistant: nobody, effect: nobody }
type Message = { id: string; body: unknown; attempts: number; ack(): void; retry(): void }

async function modulesOf(dir: string) {
  const { file, load } = sourceAt(dir)
  return {
    core: await load<typeof core>('core'),
    ...(await load<typeof configs>('config')),
    ...(await load<typeof databases>('database')),
    ...(await load<typeof queues>('queue')),
    ...(await load<typeof schedulers>('scheduler')),
    ...(await load<typeof tasks>('tasks')),
    ...(await file<typeof import('../../src/scheduler/schedules.ts')>('src/scheduler/schedules.ts')),
  }
}

/**
 * What the shell does with timers, the queue and cron, in this process and by a clock that is set: the same verbs on the
 * world's own database, each person's Steward on SQLite in memory, every message delivered twice.
 */
export async function openClockwork(world: World, dir: string, chance: Chance) {
  const source = await modulesOf(dir)
  const config = source.readConfig(world.vars)
  const clock = { ms: 0 }
  const queue: unknown[] = []
  const stewards = new Map<string, SqlStorage>()
  const stewardOf = (userId: string): SqlStorage => {
    const sql = stewards.get(userId) ?? memorySql(source.core.TIMER_MIGRATIONS)
    stewards.set(userId, sql)
    return sql
  }
  const STEWARD = {
    getByName: (userId: string) => ({
      arm: async (timers: schedulers.NewTimer[]) => {
        for (const timer of timers) source.core.armTimer(stewardOf(userId), timer)
        return { ok: true, armed: timers.length }
      },
      cancel: async (name: string, version: number) =>
        source.core.cancelTimer(stewardOf(userId), name, version, clock.ms),
      wake: async () => ({ ok: true }),
    }),
  }
  const EVENTS = { sendBatch: async (messages: { body: unknown }[]) => void queue.push(...messages.map((m) => m.body)) }
  const ctxOf = (): core.Ctx => {
    const now = () => new Date(clock.ms)
    const ctx: core.Ctx = {
      actor: { kind: 'system' },
      client: { address: '192.0.2.1', country: null, userAgent: 'clockwork' },
      config,
      env: { STEWARD, EVENTS } as unknown as Env,
      meter: { trips: 0, ms: 0 },
      db: source.connect(config.database, { trips: 0, ms: 0 }, () => source.actOf(ctx)),
      requestId: source.core.newId('req', new Date()),
      operation: 'clockwork',
      callId: '',
      now,
      // Ids are of this moment: those of a time that is set are alike more often.
      newId: (prefix) => source.core.newId(prefix, new Date()),
      waitUntil: () => {},
      log: source.core.createLog({}, 'error', () => undefined),
    }
    return ctx
  }
  const handlers = { reminder: source.ringReminder, schedule: source.runSchedule }
  const subscribers = [source.reminderSubscriber, source.scheduleSubscriber(NOBODY)]
  return {
    source,
    clock,
    actor: (userId: string): core.UserCtx => ({ ...ctxOf(), actor: { kind: 'person', userId, sessionId: null } }),
    /** When the alarm of a person rings next. */
    alarmMs: (userId: string) => source.core.nextAlarmMs(stewardOf(userId), clock.ms),
    /** Their alarm rings. */
    async fire(userId: string): Promise<void> {
      await source.core.fireDue(stewardOf(userId), clock.ms, (timer) => source.runTimer(ctxOf(), timer, handlers))
    },
    /** Their object loses its timers. */
    lose: (userId: string): void => void stewards.delete(userId),
    /** Everything in the queue, twice, in any order. */
    async deliver(): Promise<void> {
      while (queue.length > 0) {
        const taken = chance.shuffle(queue.splice(0).flatMap((body) => [body, body]))
        for (let at = 0; at < taken.length; at += MOST_IN_A_BATCH) {
          const batch = taken.slice(at, at + MOST_IN_A_BATCH).map(
            (body, n): Message => ({
              id: `${at + n}`,
              body,
              attempts: 1,
              ack: () => {},
              retry: () => {
                throw new Error('a message was not taken')
              },
            }),
          )
          await source.consume(ctxOf(), batch, subscribers)
        }
      }
    },
    /** A tick of the cron, or several at once. */
    async tick(times: number): Promise<void> {
      const each = Array.from({ length: times }, async () => {
        await source.sweepReminders(ctxOf())
        await source.sweepSchedules(ctxOf())
      })
      await Promise.all(each)
    },
  }
}

export type Clockwork = Awaited<ReturnType<typeof openClockwork>>
