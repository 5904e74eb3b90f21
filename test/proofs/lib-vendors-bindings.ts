import { setTimeout as wait } from 'node:timers/promises'
import type * as queues from '#queue'
import { makeSteward } from '../steward.ts'
import { fakeVectorize } from '../vectorize.ts'
import { makeId } from '../world.ts'
import { onePerson } from './lib-faults.ts'
import { type Fault, modelVars, SLOW_MS, serveModels, startFaulty } from './lib-faulty.ts'
import type { Ground, Vendor } from './lib-vendors.ts'
import { letter } from './lib-vendors-servers.ts'

type Binding = Pick<Vendor, 'break' | 'mend' | 'stop'> & {
  call(work: () => unknown): Promise<unknown>
  /** How often it did what it was asked. */
  done(): number
}

/** A binding of the platform: it fails by throwing, by not answering or by what it answers. */
function makeBinding(): Binding {
  let fault: Fault | null = null
  let done = 0
  return {
    done: () => done,
    async call(work) {
      if (fault === 'down') throw new Error('Network connection lost.')
      if (fault === 'hang') await new Promise(() => {})
      if (fault === '429') throw new Error('Too Many Requests')
      if (fault === '5xx') throw new Error('internal error; reference = 0')
      if (fault === 'garbage') return 'a page of somebody else'
      if (fault === 'slow') await wait(SLOW_MS)
      done++
      return await work()
    },
    break: async (next) => {
      fault = next
    },
    mend: async () => {
      fault = null
    },
    stop: async () => {},
  }
}

/** Of what the queue, workflows, objects and files answer nothing is read that could be garbage. */
export async function openBindings({ world, source, person, ctxOf }: Ground): Promise<Vendor[]> {
  const [queue, runs, session, mail, files] = Array.from({ length: 5 }, makeBinding)
  if (!queue || !runs || !session || !mail || !files) throw new Error('no bindings')
  const lacks: Fault[] = ['garbage']
  const exportId = makeId('exp')
  await world.query(
    `insert into data_exports (id, user_id, state, lease_until, ready_at, expires_at)
      values ($1, $2, 'ready', now(), now(), now() + interval '1 day')`,
    [exportId, person.userId],
  )
  /** What becomes of a message that this subscriber is told. */
  const hear = async (env: object, subscriber: queues.Subscriber, type: string) => {
    const id = makeId('run')
    const eventId = `${id}.1.${type}`
    await world.query(
      `insert into outbox (id, type, user_id, room, key, version, data, available_at)
        values ($1, $2, $3, 'tasks', $4, 1, $5::jsonb, now() + interval '1 hour')`,
      [eventId, type, person.userId, id, JSON.stringify({ id, version: 1 })],
    )
    let settled = 'lost'
    const settle = (word: string) => () => {
      settled = word
    }
    const body = { v: 1, kind: 'event', outboxId: eventId }
    const message = { id: '1', body, attempts: 1, ack: settle('heard'), retry: settle('again') }
    await source.consume(ctxOf({}, env), [message], [subscriber])
    return settled
  }
  const said = (kind: string) => (error: unknown) => {
    const known = source.core.findAppError(error)
    if (!known) throw error
    return known.code === 'not_found' ? kind : known.code
  }
  return [
    {
      ...queue,
      ...{ name: 'the queue', well: 'sent', lacks },
      // What was written is there whatever becomes of its event, and the relay finds that.
      try: async () => {
        const ctx = ctxOf({}, { EVENTS: { sendBatch: () => queue.call(() => undefined) } })
        const { id } = await source.createTask(ctx, { title: 'told later' })
        await world.query(`update outbox set available_at = now() where key = $1`, [id])
        const before = queue.done()
        await source.relay(ctx).catch(() => 0)
        return queue.done() > before ? 'sent' : 'kept'
      },
    },
    {
      ...runs,
      ...{ name: 'workflows', well: 'heard', lacks },
      try: async () => {
        const create = () => runs.call(() => undefined)
        const get = () => Promise.reject(new Error('instance.not_found'))
        return await hear({ TASA_RUN: { create, get } }, source.runSubscriber, 'run.requested')
      },
    },
    {
      ...session,
      ...{ name: 'the session object', well: 'heard', lacks },
      try: async () => {
        const object = { publish: () => session.call(() => undefined) }
        return await hear({ USER_SESSION: { getByName: () => object } }, source.realtimeSubscriber, 'task.created')
      },
    },
    {
      ...mail,
      ...{ name: 'Cloudflare mail', well: 'sent', lacks: [] },
      try: async () => {
        const env = { EMAIL: { send: () => mail.call(() => ({ messageId: '1' })) } }
        const ctx = ctxOf({ MAIL_PROVIDER: 'cloudflare', MAIL_FROM: 'us@example.com' }, env)
        return (await source.handOver(ctx, letter())).kind
      },
    },
    {
      ...files,
      ...{ name: 'R2', well: 'opened', lacks },
      try: () => {
        const ctx = ctxOf({}, { FILES: { get: () => files.call(() => ({ size: 1 })) } })
        return source.openArchive(ctx, exportId).then(() => 'opened', said('lost'))
      },
    },
  ]
}

const CALL = { kind: 'chat', feature: 'compat.openai' } as const
const REQUEST = { system: '', volatileSystem: '', tools: [], maxOutputTokens: 100 }
const DIMENSIONS = 3

/** The index of vectors: without it an answer is looked for in vain and nobody waits; nothing is said to be gone from it. */
export async function openVectorize({ world, source, ctxOf }: Ground): Promise<Vendor[]> {
  const embedder = await startFaulty('embedder', serveModels)
  const [looking, clearing, erasing] = [makeBinding(), makeBinding(), makeBinding()]
  const steward = makeSteward(Date.now)
  const [reader, cleaner, leaver] = await Promise.all([1, 2, 3].map(() => onePerson(world)))
  if (!reader || !cleaner || !leaver) throw new Error('no people')
  const open = (binding: Binding, as: typeof reader) => {
    const index = fakeVectorize(DIMENSIONS, ['scope'])
    const VECTORIZE = {
      query: (vector: number[], options: object) => binding.call(() => index.query(vector, options)),
      upsert: (vectors: VectorizeVector[]) => binding.call(() => index.upsert(vectors)),
      deleteByIds: (ids: string[]) => binding.call(() => index.deleteByIds(ids)),
    }
    const env = { VECTORIZE, STEWARD: { getByName: () => steward } }
    return () => ctxOf({ ...modelVars(embedder.url), VECTORS: 'vectorize' }, env, as)
  }
  /** A vector of theirs, as far as Postgres knows. */
  const keep = async (userId: string, kind: string) => {
    await world.query(
      `insert into embeddings (key, user_id, kind, id, space, meta) values ($1, $2, $3, $1, 'm1', '{}')`,
      [makeId('emb'), userId, kind],
    )
  }
  const gone = (binding: Binding, userId: string, drop: () => Promise<void>) => async () => {
    await keep(userId, 'answer')
    const before = binding.done()
    try {
      await drop()
    } catch (error) {
      const known = source.core.findAppError(error)
      if (!known) throw error
      const rows = await world.query('select key from embeddings where user_id = $1', [userId])
      return rows.length > 0 ? known.code : 'forgotten'
    }
    return binding.done() > before ? 'gone' : 'said to be gone'
  }
  const [asReader, asCleaner, asLeaver] = [open(looking, reader), open(clearing, cleaner), open(erasing, leaver)]
  let asked = 0
  return [
    {
      ...looking,
      ...{ name: 'Vectorize, looked in', well: 'compared', lacks: [], stop: embedder.stop },
      try: async () => {
        const text = `What is a fjord, asked ${++asked} times?`
        const messages = [
          { role: 'user' as const, at: '2026-11-22T09:00:00.000Z', parts: [{ type: 'text' as const, text }] },
        ]
        const found = await source.findCached(asReader(), {
          ...CALL,
          share: { sources: [] },
          request: { ...REQUEST, messages },
        })
        return found.state !== 'miss' ? found.state : /does not answer/.test(found.reason) ? 'passed by' : 'compared'
      },
    },
    {
      ...clearing,
      // That it was taken is all that is asked of its answer.
      ...{ name: 'Vectorize, cleared', well: 'gone', lacks: ['garbage'] },
      try: gone(clearing, cleaner.userId, () => source.clearCache(asCleaner())),
    },
    {
      ...erasing,
      ...{ name: 'Vectorize, erased', well: 'gone', lacks: ['garbage'] },
      try: gone(erasing, leaver.userId, () => source.eraseVectors(asLeaver(), leaver.userId)),
    },
  ]
}
