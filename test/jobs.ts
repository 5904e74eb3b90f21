import { eq, inArray, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { enqueue, type Job, type JobHandler, type JobQueue, type Message, takeJobs } from '#queue'
import { jobQueues, jobs } from '#queue/tables'
import { testCtx } from './database.ts'

export const QUEUE = 'analytics'
/** The database is the test process's: what others left in a queue would have its turn too. */
export async function emptyQueues(): Promise<void> {
  const { db } = testCtx()
  await db.batch([db.delete(jobs), db.delete(jobQueues)])
}

export const personId = () => testCtx().newId('usr')

/** So many of this person's, by id. */
export async function add(ctx: Ctx, userId: string | null, count = 1, queue: JobQueue = QUEUE): Promise<string[]> {
  const made = Array.from({ length: count }, () => {
    const id = ctx.newId('job')
    return { id, queue, kind: 'test', userId, ref: `thing of ${id}`, key: `test:${id}` }
  })
  await enqueue(ctx.db, made)
  return made.map(({ id }) => id)
}

export function message(jobId: string, body: unknown = { v: 1, kind: 'job', jobId }) {
  const said: string[] = []
  const it: Message = {
    id: jobId,
    body,
    attempts: 1,
    ack: () => void said.push('ack'),
    retry: () => void said.push('retry'),
  }
  return { it, said }
}

export function worker(work: JobHandler = async () => undefined) {
  const done: Job[] = []
  const test: JobHandler = async (ctx, job) => {
    done.push(job)
    await work(ctx, job)
  }
  return { done, handlers: { test }, ids: () => done.map(({ id }) => id) }
}

/** A batch of messages that ask in the name of these. */
export async function arrive(ctx: Ctx, ids: string[], handlers: Readonly<Record<string, JobHandler>>): Promise<void> {
  const asked = ids.map((id) => message(id).it)
  await takeJobs(ctx, QUEUE, asked, handlers)
}

export async function rowOf({ db }: Ctx, id: string) {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id))
  if (!row) throw new Error('there is no such job')
  return row
}

/** As if the time of these had come, or their lease were over. */
export const due = ({ db }: Ctx, ids: string[]) =>
  db.update(jobs).set({ availableAt: sql`now()` }).where(inArray(jobs.id, ids))

export const failing = (error: unknown) => worker(() => Promise.reject(error))
