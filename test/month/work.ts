import type * as core from '#core'
import type * as queues from '#queue'
import type { Chance } from '../proofs/chance.ts'
import type { Timeline } from './timeline.ts'

const MOST_JOBS = 5
const TWICE = 0.1

type Name = 'notifications' | 'analytics'
type Handlers = typeof import('../../workers/jobs.ts').handlers
type Given = { clock: { ms: number }; timeline: Timeline; chance: Chance }
type Worker = { ctxOf(): core.Ctx; takeJobs: typeof queues.takeJobs; handlers: Handlers }

/** The queues of jobs: what is to be tried again later comes back with its time, and some messages come twice. */
export function openWork({ clock, timeline, chance }: Given) {
  const work: Record<Name, unknown[]> = { notifications: [], analytics: [] }
  const jobsTo = (to: unknown[]) => ({
    sendBatch: async (messages: { body: unknown; delaySeconds?: number }[]) => {
      for (const { body, delaySeconds = 0 } of messages)
        if (delaySeconds > 0) timeline.at(clock.ms + delaySeconds * 1000, async () => void to.push(body))
        else to.push(body)
    },
  })
  const take = async ({ ctxOf, takeJobs, handlers }: Worker, name: Name) => {
    const taken = work[name].splice(0, MOST_JOBS).flatMap((body) => (chance.next() < TWICE ? [body, body] : [body]))
    const batch = taken.map((body, n): queues.Message => {
      return { id: `${n}`, body, attempts: 1, ack: () => {}, retry: () => void work[name].push(body) }
    })
    await takeJobs(ctxOf(), name, batch, handlers[name])
  }
  return {
    bindings: {
      JOBS_NOTIFICATIONS: jobsTo(work.notifications),
      JOBS_ANALYTICS: jobsTo(work.analytics),
      // Letters wait: nobody carries them here.
      JOBS_EMAIL: jobsTo([]),
    },
    /** Does a batch, where there is any; false: there was none. */
    async goOn(worker: Worker): Promise<boolean> {
      const name = (['notifications', 'analytics'] as const).find((one) => work[one].length > 0)
      if (name) await take(worker, name)
      return name !== undefined
    },
  }
}
