import { createECDH, generateKeyPairSync, randomBytes } from 'node:crypto'
import { makeId } from '../world.ts'
import { type Fault, type Faulty, startFaulty } from './lib-faulty.ts'
import type { Ground, Vendor } from './lib-vendors.ts'

const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
  typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' }).toString()
const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const json = (value: object) => JSON.stringify(value)

/** A letter to nobody. */
export const letter = () => ({
  ...{ id: makeId('eml'), to: 'sam@example.com', kind: 'test', subject: 's', html: '<p>h</p>', text: 't', headers: {} },
})

/** All that is asked of others over HTTP behind the queue and timers, each with a server of its own. */
export async function openServers({ source, person, ctxOf }: Ground): Promise<Vendor[]> {
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 })
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
  const app = await startFaulty('an app', ({ url }, _, response) => {
    const about = { client_id: `${app.url}${url}`, redirect_uris: ['http://127.0.0.1/back'] }
    response.writeHead(200, { 'content-type': 'application/json' }).end(json(about))
  })
  const sender = { MAIL_FROM: 'us@example.com', SENDGRID_API_KEY: 'key', SENDGRID_BASE_URL: mail.url }
  const ctx = () => ctxOf({ MAIL_PROVIDER: 'sendgrid', ...sender }, { EVENTS: { sendBatch: async () => {} } })
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
  const { id: endpointId } = await source.addWebhook(ctx(), {
    ...{ url: `${hook.url}/hook`, description: '', events: ['task.created'], enabled: true },
  })
  const at = (server: Faulty, well: string, work: () => Promise<string>, lacks: Fault[] = []): Vendor => {
    return { ...server, well, lacks, try: work }
  }
  let hours = 0
  let apps = 0
  return [
    at(mail, 'sent', async () => (await source.handOver(ctx(), letter())).kind),
    // A token is good for a second: both are asked each time.
    at(fcm, 'sent', async () => {
      hours += 3_600_000
      const now = () => new Date(Date.now() + hours)
      return (await source.sendByFcm({ now }, { ...account, baseUrl: fcm.url }, 'token', told)).kind
    }),
    at(apns, 'sent', async () => (await source.sendByApns(ctx(), topic, 'token', told)).kind),
    // Any answer below 300 says that it was taken.
    at(
      push,
      'sent',
      async () => (await source.sendWebPush(ctx(), vapid, { endpoint: `${push.url}/push`, keys }, told)).kind,
      ['garbage'],
    ),
    at(
      hook,
      'delivered',
      async () => {
        const { id } = await source.callWebhook(ctx(), endpointId, {})
        await source.sendDue(ctx(), person.userId)
        const { items } = await source.listDeliveries(ctx(), endpointId, { limit: 100 })
        return items.find((one) => one.id === id)?.status ?? 'lost'
      },
      ['garbage'],
    ),
    // What it says of itself is asked for once a day: each time another.
    at(app, 'known', async () => {
      try {
        return (await source.clientFor(ctx(), `${app.url}/app-${++apps}`)) ? 'known' : 'unknown'
      } catch (error) {
        if (error instanceof Error && error.name === 'OauthError') return 'refused'
        throw error
      }
    }),
  ]
}
