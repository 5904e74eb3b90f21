import type { StepPort, WakeType, World } from './ports.ts'

/** What of the platform's durable steps a run uses. It goes through a run from its start whenever it wakes. */
export type Platform = {
  /** Done once, tried again where it fails; by the same name again it answers what that gave. */
  do(name: string, work: (world: World) => Promise<string>): Promise<string>
  /** Throws where nothing came in time. */
  waitForEvent(name: string, options: { type: WakeType; timeout: number }): Promise<unknown>
  /** For a year at most. */
  sleep(name: string, ms: number): Promise<void>
}

const LEAST_WAIT_MS = 1000

/** The port of steps over the platform. */
export function overPlatform(platform: Platform, nowMs: () => number): StepPort {
  return {
    async step(name, work) {
      return JSON.parse(await platform.do(name, async (world) => JSON.stringify((await work(world)) ?? null)))
    },
    async waitFor(name, type, untilMs) {
      try {
        await platform.waitForEvent(name, { type, timeout: Math.max(LEAST_WAIT_MS, untilMs - nowMs()) })
      } catch {
        // Nobody said anything in time: what they did say is read by whoever waits.
      }
    },
    async sleepUntil(name, untilMs) {
      // Past is what has been slept already, and what another instance was lost in: the platform refuses such a moment.
      const leftMs = untilMs - nowMs()
      if (leftMs > 0) await platform.sleep(name, leftMs)
    },
  }
}
