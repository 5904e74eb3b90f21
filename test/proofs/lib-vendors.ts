import type * as configs from '#config'
import type * as core from '#core'
import type * as databases from '#database'
import type * as queues from '#queue'
import type * as realtime from '#realtime'
import type * as search from '#search'
import type * as tasks from '#tasks'
import type * as webhooks from '#webhooks'
import type * as workflows from '#workflows'
import type { Person, World } from '../world.ts'
import { FAULTS, type Fault } from './lib-faulty.ts'
import { sourceAt } from './sabotage.ts'

/** A job of ours that needs somebody else. `try` says what came of it; `well` is what comes of it while all is well. */
export type Vendor = {
  name: string
  well: string
  try(): Promise<string>
  break(fault: Fault): Promise<void>
  mend(): Promise<void>
  stop(): Promise<void>
  /** Has no such fault. */
  lacks: Fault[]
}

async function modulesOf(dir: string) {
  const { file, load } = sourceAt(dir)
  return {
    core: await load<typeof core>('core'),
    ...(await load<typeof configs>('config')),
    ...(await load<typeof databases>('database')),
    ...(await load<typeof queues>('queue')),
    ...(await load<typeof realtime>('realtime')),
    ...(await load<typeof search>('search')),
    ...(await load<typeof tasks>('tasks')),
    ...(await load<typeof webhooks>('webhooks')),
    ...(await load<typeof workflows>('workflows')),
    ...(await file<typeof import('../../src/account/export.ts')>('src/account/export.ts')),
    ...(await file<typeof import('../../src/ai/cache.ts')>('src/ai/cache.ts')),
    ...(await file<typeof import('../../src/webhooks/endpoints.ts')>('src/webhooks/endpoints.ts')),
    ...(await file<typeof import('../../src/webhooks/deliveries.ts')>('src/webhooks/deliveries.ts')),
    ...(await file<typeof import('../../src/email/provider.ts')>('src/email/provider.ts')),
    ...(await file<typeof import('../../src/notifications/fcm.ts')>('src/notifications/fcm.ts')),
    ...(await file<typeof import('../../src/notifications/apns.ts')>('src/notifications/apns.ts')),
    ...(await file<typeof import('../../src/notifications/web-push.ts')>('src/notifications/web-push.ts')),
    ...(await file<typeof import('../../src/oauth/known.ts')>('src/oauth/known.ts')),
  }
}

/** The source in this process, and a person to act as. */
export type Ground = {
  world: World
  person: Person
  source: Awaited<ReturnType<typeof modulesOf>>
  /** With these settings and bindings. */
  ctxOf(vars: Record<string, string>, env?: object, as?: Person): core.UserCtx
}

export async function openGround(world: World, dir: string, person: Person): Promise<Ground> {
  const source = await modulesOf(dir)
  const ctxOf: Ground['ctxOf'] = (vars, env = {}, { userId, sessionId } = person) => {
    const now = () => new Date()
    const config = source.readConfig({ ...world.vars, ...vars })
    const ctx: core.UserCtx = {
      actor: { kind: 'person', userId, sessionId, authAtMs: Date.now() },
      client: { address: '192.0.2.1', country: null, userAgent: 'proof' },
      ...{ config, env: env as Env, now, operation: 'proof', callId: '', meter: { trips: 0, ms: 0 } },
      db: source.connect(config.database, { trips: 0, ms: 0 }, () => source.actOf(ctx)),
      requestId: source.core.newId('req', now()),
      newId: (prefix) => source.core.newId(prefix, now()),
      // What fails beside an answer is in the log, and nobody's here.
      waitUntil: (promise) => void promise.catch(() => undefined),
      log: source.core.createLog({}, 'error', () => undefined),
    }
    return ctx
  }
  return { world, person, source, ctxOf }
}

const WITHIN_MS = 15_000
const TRIES = 3
type Found = { name: string; fault: Fault; said: string; problem: string | null }

/** What becomes of each job while its upstream has each fault, and once it is mended. */
export async function tryVendors(vendors: Vendor[]): Promise<Found[]> {
  const each = async (vendor: Vendor) => {
    const { name, well } = vendor
    const found: Found[] = []
    for (const fault of FAULTS.filter((one) => !vendor.lacks.includes(one))) {
      await vendor.break(fault)
      const said = await timely(vendor)
      const isRight = fault === 'slow' ? said === well : said !== well && said !== HUNG && !said.startsWith(THREW)
      await vendor.mend()
      // As a queue does: a connection that was kept may be found dead once.
      let after = ''
      for (let n = 0; n < TRIES && after !== well; n++) after = await timely(vendor)
      const mended = after === well ? null : `mended, it says "${after}"`
      found.push({ name, fault, said, problem: isRight ? mended : `says "${said}"` })
    }
    return found
  }
  return (await Promise.all(vendors.map(each))).flat()
}

const HUNG = 'hung'
/** What nobody foresaw. */
const THREW = 'threw '
async function timely(vendor: Vendor): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(HUNG), WITHIN_MS)
  })
  try {
    return await Promise.race([vendor.try(), late])
  } catch (error) {
    return `${THREW}${String(error).slice(0, 100)}`
  } finally {
    clearTimeout(timer)
  }
}
