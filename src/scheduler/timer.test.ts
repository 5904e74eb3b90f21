import { afterEach, expect, test, vi } from 'vitest'
import { newId } from '#core'
import { testCtx } from '#test/database'
import { armAgain, armTimers, cancelTimer, type NewTimer, runTimer, type TimerHandlers } from './index.ts'
import { wakeSteward } from './timer.ts'

const AT = new Date('2031-03-10T09:00:00.000Z')
const USER = newId('usr', AT)

afterEach(() => void vi.useRealTimers())

/** Handlers that write down what they were given, and a Steward that does. */
function makeWorld() {
  const ran: unknown[] = []
  const calls: unknown[][] = []
  const note = async (_: unknown, payload: unknown) => void ran.push(payload)
  const handlers: TimerHandlers = { reminder: note, schedule: note, effect: note }
  const steward = {
    arm: async (timers: NewTimer[]) => {
      calls.push(['arm', timers.length])
      return timers.some(({ version }) => version < 1) ? { ok: false, reason: 'invalid' } : { ok: true, armed: 1 }
    },
    cancel: async (...given: unknown[]) => void calls.push(['cancel', ...given]),
  }
  const ctx = testCtx({ env: { STEWARD: { getByName: () => steward } } as unknown as Env })
  return { ctx, ran, calls, handlers }
}

const timer = (n: number): NewTimer => ({
  name: `schedule:${n}`,
  dueMs: AT.getTime(),
  version: 1,
  payload: { kind: 'schedule', userId: USER, id: `${n}` },
})

test('a timer is run by the handler of its kind', async () => {
  const { ctx, ran, handlers } = makeWorld()
  const payloads = [
    { kind: 'schedule', userId: USER, id: 'sch_1' },
    { kind: 'reminder', userId: USER, taskId: newId('task', AT) },
  ]
  for (const payload of payloads) await runTimer(ctx, { payload }, handlers)
  expect(ran).toEqual(payloads)
})

test.each([
  ['of no known kind', { kind: 'unheard_of' }, 'discriminator'],
  ['of a kind nobody handles', { kind: 'trigger', userId: USER, id: 'x' }, 'no room has timers of the kind trigger'],
  ['of nobody', { kind: 'schedule', id: 'x' }, 'userId'],
])('a timer %s fails, so that it is tried again', async (_, payload, words) => {
  const { ctx, ran, handlers } = makeWorld()
  await expect(runTimer(ctx, { payload }, handlers)).rejects.toThrow(words)
  expect(ran).toEqual([])
})

test('more timers than a Steward takes at once are armed in turns', async () => {
  const { ctx, calls } = makeWorld()
  await armTimers(ctx, USER, [])
  await armTimers(
    ctx,
    USER,
    Array.from({ length: 250 }, (_, n) => timer(n)),
  )
  expect(calls).toEqual([
    ['arm', 100],
    ['arm', 100],
    ['arm', 50],
  ])
})

test('a timer that is refused is an error, and one that is cancelled says which version', async () => {
  const { ctx, calls } = makeWorld()
  await expect(armTimers(ctx, USER, [{ ...timer(1), version: 0 }])).rejects.toThrow('invalid')
  await cancelTimer(ctx, USER, 'schedule:1', 7)
  expect(calls.at(-1)).toEqual(['cancel', 'schedule:1', 7])
})

test('what is soon is armed again in one call for each person, and a Steward that is away keeps nobody else waiting', async () => {
  const others = Array.from({ length: 7 }, () => newId('usr', AT))
  const armed = new Map<string, number>()
  const getByName = (userId: string) => ({
    arm: async (timers: NewTimer[]) => {
      if (userId === USER) throw new Error('overloaded')
      armed.set(userId, (armed.get(userId) ?? 0) + 1)
      return { ok: true, armed: timers.length }
    },
  })
  const ctx = testCtx({ env: { STEWARD: { getByName } } as unknown as Env })
  const of = (userId: string, n: number) => ({
    ...timer(n),
    payload: { kind: 'schedule' as const, userId, id: `${n}` },
  })
  await armAgain(
    ctx,
    [USER, ...others].flatMap((userId, n) => [of(userId, n), of(userId, n + 100)]),
  )
  expect([...armed].sort()).toEqual(others.map((userId): [string, number] => [userId, 1]).sort())
})

test('a Steward that hangs is left after seconds, whatever it is asked, and the others are armed', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const hanging = Array.from({ length: 6 }, () => newId('usr', AT))
  const other = newId('usr', AT)
  const armed: string[] = []
  const hangs = () => new Promise(() => {})
  const getByName = (userId: string) => ({
    arm: async (timers: NewTimer[]) => {
      if (userId !== other) return await hangs()
      armed.push(userId)
      return { ok: true, armed: timers.length }
    },
    cancel: hangs,
    wake: hangs,
  })
  const ctx = testCtx({ env: { STEWARD: { getByName } } as unknown as Env })
  const ended: string[] = []
  const end = (name: string, work: Promise<void>) => void work.catch(() => {}).finally(() => ended.push(name))
  const timers = [...hanging, other].map((userId): NewTimer => {
    return { ...timer(1), payload: { kind: 'schedule', userId, id: '1' } }
  })
  end('again', armAgain(ctx, timers))
  end('arm', armTimers(ctx, USER, [timer(1)]))
  end('cancel', cancelTimer(ctx, USER, 'schedule:1', 1))
  end('wake', wakeSteward(ctx, USER))
  await vi.advanceTimersByTimeAsync(15_000)
  expect([armed, ended.sort()]).toEqual([[other], ['again', 'arm', 'cancel', 'wake']])
})
