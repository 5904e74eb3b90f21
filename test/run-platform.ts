import type { RunPlatform, RunWorld } from '#workflows'

/** Where a fault strikes: before the work of a step, in it once something is done, or when its answer is lost. */
export type Phase = 'before' | 'during' | 'after'
/**
 * What it does: passes when tried again, lasts as long as this instance, stays, takes the whole instance with it, or has it
 * woken again from its start.
 */
export type Fate = 'once' | 'long' | 'always' | 'kill' | 'wake'
export type Fault = { step: string; phase: Phase; fate: Fate }

const TRIES = 7
const YEAR_MS = 365 * 86_400_000

type Clock = { nowMs: number; stepNames: string[]; sleepNames: string[] }
type Refusing = RunPlatform & { sleepUntil(name: string, untilMs: number): Promise<void> }
/** `gone`: how the engine was cut off; it hears nothing more then. */
export type Waking = { platform: Refusing; gone: Promise<'kill' | 'wake'> }

/** The platform of one instance. What a step answered and a sleep that is over it keeps, and no more. */
export function createPlatform(clock: Clock, world: RunWorld, faults: Fault[]): { wake(): Waking } {
  const done = new Map<string, string>()
  const slept = new Set<string>()
  const struck = new Map<Fault, number>()

  function wake(): Waking {
    let cutOff: (how: 'kill' | 'wake') => void
    let isGone = false
    const gone = new Promise<'kill' | 'wake'>((resolve) => {
      cutOff = resolve
    })
    const silence = () => new Promise<never>(() => undefined)
    const strike = async (name: string, phase: Phase, isSleep = false) => {
      if (isGone) await silence()
      for (const fault of faults) {
        if (fault.step !== name || fault.phase !== phase) continue
        const times = struck.get(fault) ?? 0
        struck.set(fault, times + 1)
        if ((fault.fate === 'kill' || fault.fate === 'wake') && times === 0) {
          isGone = true
          cutOff(fault.fate)
          await silence()
        }
        if (!isSleep && (fault.fate === 'always' || fault.fate === 'long' || (fault.fate === 'once' && times === 0)))
          throw new Error(`a fault ${phase} ${name}`)
      }
    }
    const sleep = async (name: string, ms: number) => {
      if (ms > YEAR_MS) throw new Error("You can't sleep for more than a year")
      if (slept.has(name)) return
      if (!clock.sleepNames.includes(name)) clock.sleepNames.push(name)
      await strike(name, 'before', true)
      clock.nowMs += ms
      slept.add(name)
      await strike(name, 'after', true)
    }
    const platform: Refusing = {
      async do(name, work) {
        const known = done.get(name)
        if (known !== undefined) return known
        if (!clock.stepNames.includes(name)) clock.stepNames.push(name)
        let last: unknown
        for (let at = 0; at < TRIES; at++) {
          try {
            await strike(name, 'before')
            const value = await work(faulty(world, () => strike(name, 'during')))
            await strike(name, 'after')
            done.set(name, value)
            return value
          } catch (error) {
            last = error
          }
        }
        throw last
      },
      waitForEvent: async (_name, { timeout }) => {
        clock.nowMs += timeout
        throw new Error('timed out')
      },
      sleep,
      // As Workflows do, also of what was slept already.
      sleepUntil: async (name, untilMs) => {
        if (untilMs < clock.nowMs) throw new Error("You can't sleep until a time in the past, time-traveler")
        await sleep(name, untilMs - clock.nowMs)
      },
    }
    return { platform, gone }
  }
  return { wake }
}

/** What one call of the world throws once it has taken place. */
function faulty(world: RunWorld, strike: () => Promise<void>): RunWorld {
  const wrap = <T extends object>(from: T): T =>
    new Proxy(from, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (name === 'effects' && typeof value === 'object' && value !== null) return wrap(value)
        if (typeof value !== 'function' || name === 'now' || name === 'rehearse') return value
        return async (...args: unknown[]) => {
          const answer = await Reflect.apply(value, target, args)
          await strike()
          return answer
        }
      },
    })
  return wrap(world)
}
