import { createECDH, generateKeyPairSync, randomBytes } from 'node:crypto'
import type * as configs from '#config'
import type * as core from '#core'
import type * as databases from '#database'
import type * as queues from '#queue'
import type * as tasks from '#tasks'
import type * as webhooks from '#webhooks'
import type * as workflows from '#workflows'
import { makeId, type Person, type World } from '../world.ts'
import { FAULTS, type Fault, type Faulty, startFaulty } from './lib-faulty.ts'
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
    ...(await load<typeof tasks>('tasks')),
    ...(await load<typeof webhooks>('webhooks')),
    ...(await load<typeof workflows>('workflows')),
    ...(await file<typeof import('../../src/webhooks/endpoints.ts')>('src/webhooks/endpoints.ts')),
    ...(await file<typeof import('../../src/webhooks/deliveries.ts')>('src/webhooks/deliveries.ts')),
    ...(await file<typeof import('../../src/email/provider.ts')>('src/email/provider.ts')),
    ...(await file<typeof import('../../src/notifications/fcm.ts')>('src/notifications/fcm.ts')),
    ...(await file<typeof import('../../src/notifications/apns.ts')>('src/notifications/apns.ts')),
    ...(await file<typeof import('../../src/notifications/web-push.ts')>('src/notifications/web-push.ts')),
    ...(await file<typeof import('../../src/auth/providers.ts')>('src/auth/providers.ts')),
  }
}

const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
  typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' }).toString()
const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const BINDING_FAULTS: Fault[] = ['429', '5xx', 'garbage', 'slow']

/** A binding of the platform that fails by throwing, or by not answering. */
function makeBinding() {
  let fault: Fault | null = null
  let calls = 0
  return {
    calls: () => calls,
    async call(): Promise<void> {
      if (fault === 'down') throw new Error('Network connection lost.')
      if (fault === 'hang') await new Promise(() => {})
      calls++
    },
    break: async (next: Fault) => {
      fault = next
    },
    mend: async () => {
      fault = null
    },
    stop: async () => {},
  }
}

/** All that is asked of others behind the queue and timers, each with a server or a binding of its own. */
export async function openVendors(world: World, dir: string, person: Person): Promise<Vendor[]> {
  const source = await modulesOf(dir)
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const json = (value: object) => JSON.stringify(value)
  const mail = await startFaulty('SendGrid', (_, __, response) => response.writeHead(202).end())
  const fcm = await startFaulty('FCM', ({ url }, _, response) => {
    const token = json({ access_token: 'token', expires_in: 301 })
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(url === '/token' ? token : json({ name: 'projects/p/messages/1' }))
  })
  const apns = await startFaulty('APNs', ({ headers }, _, response) =>
    response.writeHead(200, { 'apns-id': headers['apns-id'] }).end(),
  )
  const push = await startFaulty('Web Push', (_, __, response) => response.writeHead(201).end())
  const hook = await startFaulty('a webhook', (_, __, response) => response.writeHead(204).end())
  const google = await startFaulty('sign-in', (_, __, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(json({ id_token: 'a.b.c' })),
  )
  const vars = {
    ...world.vars,
    ...{ MAIL_PROVIDER: 'sendgrid', MAIL_FROM: 'us@example.com', SENDGRID_API_KEY: 'key', SENDGRID_BASE_URL: mail.url },
    ...{ GOOGLE_CLIENT_ID: 'client', GOOGLE_CLIENT_SECRET: 'secret', GOOGLE_BASE_URL: google.url },
  }
  const config = source.readConfig(vars)
  const [queue, runs, cloudflare] = [makeBinding(), makeBinding(), makeBinding()]
  const env = {
    EVENTS: { sendBatch: queue.call },
    EMAIL: { send: () => cloudflare.call().then(() => ({ messageId: '1' })) },
    TASA_RUN: {
      create: runs.call,
      get: async () => {
        throw new Error('instance.not_found')
      },
    },
  } as unknown as Env
  const waiting: Promise<unknown>[] = []
  const ctxOf = (): core.UserCtx => {
    const now = () => new Date()
    const ctx: core.UserCtx = {
      actor: { kind: 'person', userId: person.userId, sessionId: person.sessionId, authAtMs: Date.now() },
      client: { address: '192.0.2.1', country: null, userAgent: 'proof' },
      ...{ config, env, now, operation: 'proof', callId: '', meter: { trips: 0, ms: 0 } },
      db: source.connect(config.database, { trips: 0, ms: 0 }, () => source.actOf(ctx)),
      requestId: source.core.newId('req', now()),
      newId: (prefix) => source.core.newId(prefix, now()),
      waitUntil: (promise) => void waiting.push(promise),
      log: source.core.createLog({}, 'error', () => undefined),
    }
    return ctx
  }
  const letter = () => ({
    ...{
      id: makeId('eml'),
      to: 'sam@example.com',
      kind: 'test',
      subject: 's',
      html: '<p>h</p>',
      text: 't',
      headers: {},
    },
  })
  const told = {
    ...{ deliveryId: makeId('dlv'), priority: 'high' as const, ttlS: 60, topic: 'a'.repeat(32) },
    payload: { type: 'show' as const, id: makeId('ntf'), title: 't', body: 'b' },
  }
  const browser = createECDH('prime256v1')
  const keys = { p256dh: browser.generateKeys('base64url'), auth: randomBytes(16).toString('base64url') }
  const vapidKeys = createECDH('prime256v1')
  const vapid = {
    publicKey: vapidKeys.generateKeys('base64url'),
    privateKey: vapidKeys.getPrivateKey('base64url'),
    subject: 'mailto:us@example.com',
  }
  const account = { projectId: 'p', clientEmail: 'us@example.com', privateKey: pem(rsa), tokenUrl: `${fcm.url}/token` }
  const topic = { teamId: 'TEAM', keyId: 'KEY', privateKey: pem(p256()), topic: 'app', baseUrl: apns.url }
  const { id: endpointId } = await source.addWebhook(ctxOf(), {
    ...{ url: `${hook.url}/hook`, description: '', events: ['task.created'], enabled: true },
  })
  const at = (server: Faulty, well: string, work: () => Promise<string>, lacks: Fault[] = []): Vendor => {
    return { ...server, well, lacks, try: work }
  }
  let at_ = 0
  return [
    at(mail, 'sent', async () => (await source.handOver(ctxOf(), letter())).kind),
    {
      ...cloudflare,
      ...{ name: 'Cloudflare mail', well: 'sent', lacks: BINDING_FAULTS },
      try: async () => {
        const own = { ...config, mail: { provider: 'cloudflare' as const, from: 'us@example.com', fromName: 'Us' } }
        return (await source.handOver({ config: own, env }, letter())).kind
      },
    },
    // A token is good for a second: both are asked each time.
    at(fcm, 'sent', async () => {
      at_ += 3_600_000
      const ctx = { now: () => new Date(Date.now() + at_) }
      return (await source.sendByFcm(ctx, { ...account, baseUrl: fcm.url }, 'token', told)).kind
    }),
    at(apns, 'sent', async () => (await source.sendByApns(ctxOf(), topic, 'token', told)).kind),
    // Any answer below 300 says that it was taken.
    at(
      push,
      'sent',
      async () => {
        return (await source.sendWebPush(ctxOf(), vapid, { endpoint: `${push.url}/push`, keys }, told)).kind
      },
      ['garbage'],
    ),
    at(
      hook,
      'delivered',
      async () => {
        const { id } = await source.callWebhook(ctxOf(), endpointId, {})
        await source.sendDue(ctxOf(), person.userId)
        const { items } = await source.listDeliveries(ctxOf(), endpointId, { limit: 100 })
        return items.find((one) => one.id === id)?.status ?? 'lost'
      },
      ['garbage'],
    ),
    at(google, 'signed in', async () => {
      const idp = source.getIdp(config, 'google')
      const asked = await source.askIdToken(ctxOf(), idp, {
        code: 'c',
        verifier: 'v',
        redirectUri: 'https://a.example/',
      })
      return asked.ok ? 'signed in' : 'refused'
    }),
    {
      ...queue,
      ...{ name: 'the queue', well: 'sent', lacks: BINDING_FAULTS },
      // What was written is there whatever becomes of its event, and the relay finds that.
      try: async () => {
        const { id } = await source.createTask(ctxOf(), { title: 'told later' })
        await world.query(`update outbox set available_at = now() where key = $1`, [id])
        const before = queue.calls()
        await source.relay(ctxOf()).catch(() => 0)
        return queue.calls() > before ? 'sent' : 'kept'
      },
    },
    {
      ...runs,
      ...{ name: 'workflows', well: 'begun', lacks: BINDING_FAULTS },
      try: async () => {
        const eventId = `${makeId('run')}.1.run.requested`
        await world.query(
          `insert into outbox (id, type, user_id, key, version, data, available_at)
            values ($1, 'run.requested', $2, $3, 1, $4::jsonb, now() + interval '1 hour')`,
          [eventId, person.userId, eventId.split('.')[0], json({ id: eventId.split('.')[0], version: 1 })],
        )
        let said = 'lost'
        const message = { id: '1', body: { v: 1, kind: 'event', outboxId: eventId }, attempts: 1 }
        const settle = (word: string) => () => {
          said = word
        }
        await source.consume(
          ctxOf(),
          [{ ...message, ack: settle('begun'), retry: settle('again') }],
          [source.runSubscriber],
        )
        return said
      },
    },
  ]
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
      const isRight = fault === 'slow' ? said === well : said !== well && said !== 'hung'
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

async function timely(vendor: Vendor): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('hung'), WITHIN_MS)
  })
  try {
    return await Promise.race([vendor.try(), late])
  } catch (error) {
    return `threw ${String(error).slice(0, 100)}`
  } finally {
    clearTimeout(timer)
  }
}
