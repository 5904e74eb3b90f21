import type * as calendars from '#calendar'
import type * as configs from '#config'
import type * as core from '#core'
import type * as databases from '#database'
import type * as effects from '#effects'
import type * as notifications from '#notifications'
import type * as proactivity from '#proactivity'
import type * as queues from '#queue'
import type * as schedulers from '#scheduler'
import type * as tasks from '#tasks'
import type * as workflows from '#workflows'
import type { Chance } from '../proofs/chance.ts'
import { sourceAt } from '../proofs/sabotage.ts'
import { makeSteward, memorySql } from '../steward.ts'
import type { ClockedDatabase } from './database.ts'
import type { Timeline } from './timeline.ts'
import { openWork } from './work.ts'

const MOST_IN_A_BATCH = 10
const TWICE = 0.1
const MOST_LATE_MS = 900
const TRIES = 3
// None that is asked for by name lies further ahead.
const FAR = Number.POSITIVE_INFINITY

async function modulesOf(dir: string) {
  const { file, load } = sourceAt(dir)
  return {
    core: await load<typeof core>('core'),
    scheduler: await load<typeof schedulers>('scheduler'),
    proactivity: await load<typeof proactivity>('proactivity'),
    workflows: await load<typeof workflows>('workflows'),
    tasks: await load<typeof tasks>('tasks'),
    calendar: await load<typeof calendars>('calendar'),
    queue: await load<typeof queues>('queue'),
    effects: await load<typeof effects>('effects'),
    notifications: await load<typeof notifications>('notifications'),
    ...(await load<typeof configs>('config')),
    ...(await load<typeof databases>('database')),
    ...(await file<typeof import('../../workers/subscribers.ts')>('workers/subscribers.ts')),
    ...(await file<typeof import('../../workers/timers.ts')>('workers/timers.ts')),
    ...(await file<typeof import('../../workers/jobs.ts')>('workers/jobs.ts')),
    ...(await file<typeof import('../../src/calendar/create.ts')>('src/calendar/create.ts')),
    ...(await file<typeof import('../../src/calendar/change.ts')>('src/calendar/change.ts')),
    ...(await file<typeof import('../../src/scheduler/schedules.ts')>('src/scheduler/schedules.ts')),
    ...(await file<typeof import('../../src/assistant/conversations.ts')>('src/assistant/conversations.ts')),
    ...(await file<typeof import('../../src/notifications/notification.ts')>('src/notifications/notification.ts')),
    ...(await file<typeof import('../../src/proactivity/decide.ts')>('src/proactivity/decide.ts')),
    ...(await file<typeof import('../../src/workflows/templates.ts')>('src/workflows/templates.ts')),
    ...(await file<typeof import('../../src/workflows/workflows.ts')>('src/workflows/workflows.ts')),
  }
}

type Steward = ReturnType<typeof makeSteward> & { sql: SqlStorage; alarmMs: number }
type Instance = { wake: () => void; isWoken: boolean }
export type ShellOptions = {
  dir: string
  database: ClockedDatabase
  vars: Record<string, string>
  timeline: Timeline
  chance: Chance
  /** Who else hears of what happened: the people. */
  also: queues.Subscriber
}

/**
 * What the platform does, in this process and by a clock that is set: queue, cron, each person's Steward on SQLite in
 * memory with its one alarm, and runs of workflows. The verbs, subscribers and timers are the product's own.
 */
export async function openShell({ dir, database, vars, timeline, chance, also }: ShellOptions) {
  const source = await modulesOf(dir)
  const config = source.readConfig(vars)
  const clock = { ms: 0 }
  const trouble: string[] = []
  const queue: unknown[] = []
  const waiting: Promise<unknown>[] = []
  const stewards = new Map<string, Steward>()
  const instances = new Map<string, Instance>()
  const running = { count: 0, isIdle: () => {} }
  const count = { delivered: 0, alarms: 0, runs: 0 }

  const stewardOf = (userId: string): Steward => {
    const known = stewards.get(userId)
    if (known) return known
    const sql = memorySql([...source.core.TIMER_MIGRATIONS, ...source.proactivity.LEARNING_MIGRATIONS])
    const made = {
      ...makeSteward(
        () => clock.ms,
        () => 'max',
      ),
      sql,
      alarmMs: FAR,
    }
    stewards.set(userId, made)
    return made
  }
  const keepAlarm = (userId: string) => {
    const steward = stewardOf(userId)
    const ms = source.core.nextAlarmMs(steward.sql, clock.ms) ?? FAR
    if (ms === steward.alarmMs) return
    steward.alarmMs = ms
    // The platform is up to a second late.
    if (ms !== FAR) timeline.at(Math.max(ms, clock.ms) + chance.int(MOST_LATE_MS), () => ring(userId, ms))
  }
  async function ring(userId: string, ms: number): Promise<void> {
    const steward = stewardOf(userId)
    if (steward.alarmMs !== ms) return
    count.alarms++
    const fire = () =>
      source.core.fireDue(steward.sql, clock.ms, (timer) => source.scheduler.runTimer(ctxOf(), timer, source.timers))
    const { failed } = await fire()
    for (const { name, error } of failed) trouble.push(`the timer ${name} failed: ${error}`)
    steward.alarmMs = FAR
    keepAlarm(userId)
  }
  const STEWARD = {
    getByName: (userId: string) => ({
      ...stewardOf(userId),
      arm: async (timers: schedulers.NewTimer[]) => {
        for (const timer of timers) source.core.armTimer(stewardOf(userId).sql, timer)
        keepAlarm(userId)
        return { ok: true, armed: timers.length }
      },
      cancel: async (name: string, version: number) => {
        const cancelled = source.core.cancelTimer(stewardOf(userId).sql, name, version, clock.ms)
        keepAlarm(userId)
        return { ok: true, cancelled }
      },
      wake: async () => {
        keepAlarm(userId)
        return { ok: true }
      },
      learning: async (ask: proactivity.LearningAsk) =>
        source.proactivity.learning(stewardOf(userId).sql, ask, clock.ms, chance.next),
    }),
  }

  /** One instance of a run: its steps are done at once, and it sleeps until somebody wakes it or its time has come. */
  function startInstance(instanceId: string, { runId, userId }: { runId: string; userId: string }) {
    const began = () => void running.count++
    const rests = () => {
      running.count--
      if (running.count === 0) running.isIdle()
    }
    const awake = () => {
      instance.isWoken = true
    }
    const instance: Instance = { wake: awake, isWoken: false }
    const sleep = async (untilMs: number, canWake: boolean) => {
      if (!canWake || !instance.isWoken)
        await new Promise<void>((resolve) => {
          let isOver = false
          const wake = () => {
            if (isOver) return
            isOver = true
            instance.wake = awake
            began()
            resolve()
          }
          timeline.at(untilMs, async () => wake())
          if (canWake) instance.wake = wake
          rests()
        })
      instance.isWoken = false
    }
    const actor = { kind: 'person' as const, userId, sessionId: null }
    const port: workflows.RunPort = {
      async step(name, work) {
        for (let tries = 1; ; tries++) {
          const ctx: core.UserCtx = { ...ctxOf(), actor }
          const world = source.workflows.realWorld(ctx, { runId, instanceId })
          try {
            return JSON.parse(JSON.stringify((await work(world)) ?? null))
          } catch (error) {
            if (tries < TRIES) continue
            trouble.push(`the step ${name} failed: ${error}`)
            throw error
          }
        }
      },
      waitFor: (_name, _type, untilMs) => sleep(untilMs, true),
      sleepUntil: (_name, untilMs) => sleep(untilMs, false),
    }
    instances.set(instanceId, instance)
    count.runs++
    began()
    void source.workflows
      .runTasa(port)
      .catch((error: unknown) => void trouble.push(`a run broke: ${error}`))
      .finally(rests)
  }
  const TASA_RUN = {
    create: async ({ id, params }: { id: string; params: { runId: string; userId: string } }) => {
      if (instances.has(id)) throw new Error('instance already exists')
      startInstance(id, params)
    },
    get: async (id: string) => {
      const found = instances.get(id)
      if (!found) throw new Error('instance.not_found')
      return {
        status: async () => ({ status: 'running' }),
        terminate: async () => void instances.delete(id),
        sendEvent: async () => found.wake(),
      }
    },
  }
  const sendBatch = async (messages: { body: unknown }[]) => void queue.push(...messages.map(({ body }) => body))
  const USER_SESSION = {
    getByName: () => ({ publish: async () => ({ ok: true }), endSession: async () => ({ closed: 0 }) }),
  }
  const work = openWork({ clock, timeline, chance })
  const bindings: Record<string, object> = { STEWARD, TASA_RUN, USER_SESSION, EVENTS: { sendBatch }, ...work.bindings }
  const env = new Proxy(bindings, {
    get: (there, name) => {
      if (!Reflect.has(there, name) && typeof name === 'string') trouble.push(`the binding ${name} is not there`)
      return Reflect.get(there, name)
    },
  }) as unknown as Env
  function ctxOf(): core.Ctx {
    const now = () => new Date(clock.ms)
    const ctx: core.Ctx = {
      actor: { kind: 'system' },
      client: { address: '192.0.2.1', country: null, userAgent: 'month' },
      ...{ config, env, now, operation: 'month', callId: '', meter: { trips: 0, ms: 0 } },
      db: source.connect(config.database, { trips: 0, ms: 0 }, () => source.actOf(ctx)),
      requestId: source.core.newId('req', now()),
      newId: (prefix) => source.core.newId(prefix, now()),
      waitUntil: (promise) => void waiting.push(promise),
      log: source.core.createLog({}, 'error', (line) => void trouble.push(line)),
    }
    return ctx
  }
  const subscribers = [...source.subscribers, also]
  const deliverBatch = async () => {
    const bodies = queue.splice(0, MOST_IN_A_BATCH)
    const all = chance.shuffle(bodies.flatMap((body) => (chance.next() < TWICE ? [body, body] : [body])))
    count.delivered += all.length
    const again: unknown[] = []
    const batch = all.map((body, n): queues.Message => {
      return { id: `${n}`, body, attempts: 1, ack: () => {}, retry: () => void again.push(body) }
    })
    await source.queue.consume(ctxOf(), batch, subscribers)
    if (again.length > 0) trouble.push(`${again.length} messages were not taken`)
    // Once more at another time, as a queue does that lost an acknowledgement.
    const late = bodies.filter(() => chance.next() < TWICE / 2)
    if (late.length > 0) timeline.at(clock.ms + chance.int(600_000), async () => void queue.push(...late))
  }
  const worker = { ctxOf, takeJobs: source.queue.takeJobs, handlers: source.handlers }
  const sweeps = [
    source.queue.relay,
    source.queue.relayJobs,
    source.scheduler.sweepReminders,
    source.calendar.sweepEventReminders,
    source.scheduler.sweepSchedules,
    source.proactivity.sweepSuggestions,
    source.proactivity.sweepApproved,
    source.workflows.sweepTriggers,
    source.workflows.sweepRuns,
    source.effects.sweepEffects,
    source.notifications.sweepDeliveries,
  ]
  return {
    ...{ source, clock, trouble, count, ctxOf },
    actor: (userId: string): core.UserCtx => ({ ...ctxOf(), actor: { kind: 'person', userId, sessionId: null } }),
    async setClock(ms: number): Promise<void> {
      if (ms === clock.ms) return
      clock.ms = ms
      await database.set(ms)
    },
    /** Their alarm rings, whether or not it is time. */
    async fire(userId: string): Promise<void> {
      await ring(userId, stewardOf(userId).alarmMs)
    },
    /** Their object loses its alarm, and its rows with it or not. */
    lose(userId: string, what: 'rows' | 'alarm'): void {
      const steward = stewardOf(userId)
      if (what === 'rows') steward.sql.exec('delete from timers')
      steward.alarmMs = FAR
    },
    /** A tick of the cron. */
    async tick(): Promise<void> {
      for (const sweep of sweeps) await sweep(ctxOf())
    },
    /** Everything that was set off has come to rest. */
    async settle(): Promise<void> {
      for (;;) {
        await Promise.all(waiting.splice(0))
        // What runs tell is in the queue when they rest: it goes in whole batches.
        if (running.count > 0)
          await new Promise<void>((resolve) => {
            running.isIdle = resolve
          })
        else if (queue.length > 0) await deliverBatch()
        else if (!(await work.goOn(worker)) && waiting.length === 0) return
      }
    },
  }
}

export type Shell = Awaited<ReturnType<typeof openShell>>
