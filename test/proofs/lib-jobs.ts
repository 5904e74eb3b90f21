import { handlers } from '../../workers/jobs.ts'
import type { World } from '../world.ts'
import { eachOf } from './all.ts'
import type { Chance } from './chance.ts'

export type Waiting = { id: string; queue: string; kind: string }
type Seen = Pick<World, 'query'>

/** The kinds of job the Worker does: whoever adds one must make it happen in proof 1, and count its effects. */
export const jobKinds = (): string[] => Object.values(handlers).flatMap((kinds) => Object.keys(kinds))

/** What was ever asked for in this person's name. */
export async function jobsOf(world: Seen, userId: string): Promise<Waiting[]> {
  const rows = await world.query('select id, queue, kind from jobs where owner = $1 order by id', [userId])
  return rows.map(({ id, queue, kind }) => ({ id: String(id), queue: String(queue), kind: String(kind) }))
}

/** Each job's message so many times, shuffled, each queue's in batches of any size, some of them at once; answers how many. */
export async function deliverJobs(
  world: Pick<World, 'queue'>,
  jobs: Waiting[],
  { chance, copies, mostInBatch, atOnce }: { chance: Chance; copies: number; mostInBatch: number; atOnce: number },
): Promise<number> {
  const batches: { queue: string; bodies: unknown[] }[] = []
  for (const [queue, theirs] of Map.groupBy(jobs, (job) => job.queue)) {
    const bodies = chance.shuffle(theirs.flatMap(({ id }) => Array.from({ length: copies }, () => request(id))))
    for (let at = 0; at < bodies.length; ) {
      const size = 1 + chance.int(mostInBatch)
      batches.push({ queue: `aurelius-${queue}`, bodies: bodies.slice(at, at + size) })
      at += size
    }
  }
  await eachOf(chance.shuffle(batches), atOnce, ({ queue, bodies }) => world.queue(bodies, queue))
  return jobs.length * copies
}

const request = (jobId: string) => ({ v: 1, kind: 'job', jobId })

/** Every job of this person's is done, by one attempt. */
export async function auditJobs(world: Seen, userId: string, report: (violation: string) => void): Promise<void> {
  const rows = await world.query('select id, kind, status, attempts from jobs where owner = $1', [userId])
  for (const { id, kind, status, attempts } of rows)
    if (status !== 'done' || Number(attempts) !== 1) report(`${kind} ${id} is ${status} after ${attempts} attempts`)
}
