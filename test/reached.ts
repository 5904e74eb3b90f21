import { and, eq } from 'drizzle-orm'
import { inject } from 'vitest'
import { readConfig } from '#config'
import type { DomainEvent } from '#core'
import { deliverDue, deliverySubscriber, notify } from '#notifications'
import { outbox } from '#queue/tables'
import { users } from '#users/tables'
import { startPushServices } from '../local/push-services.ts'
import { makePerson, type Person } from './database.ts'

export { makeBrowser, subscriptionOf } from '../local/push-web.ts'

export type Timer = { name: string; dueMs: number; payload: unknown }
/** A person whose clock is turned by hand, and the timers that were armed for them. */
export type Owner = Person & { clock: { ms: number }; armed: Timer[] }
type Told = Partial<Parameters<typeof notify>[1]>

/** Push services, and people whom they reach: what was told is brought to the consumer by hand. */
export async function startReached() {
  let clock = { ms: Date.now() }
  const services = await startPushServices({ now: () => new Date(clock.ms) })

  async function makeOwner(startsAt = new Date().toISOString()): Promise<Owner> {
    const own = { ms: Date.parse(startsAt) }
    clock = own
    const armed: Timer[] = []
    const steward = { arm: async (timers: Timer[]) => ({ ok: true, armed: armed.push(...timers) }) }
    // What these verbs ask of the platform.
    const queue = { sendBatch: async () => {} }
    const env = { EVENTS: queue, JOBS_NOTIFICATIONS: queue, STEWARD: { getByName: () => steward } } as unknown as Env
    const mail = { MAIL_PROVIDER: 'local', MAIL_LOCAL_URL: 'http://127.0.0.1:9' }
    const config = readConfig({ ...inject('vars'), ...services.vars, ...mail, ALLOW_LOOPBACK_URLS: 'true' })
    const person = await makePerson({ config, env, now: () => new Date(own.ms) })
    await person.db.update(users).set({ emailVerifiedAt: new Date() }).where(eq(users.id, person.actor.userId))
    return Object.assign(person, { clock: own, armed })
  }
  const browser = (person: Owner) => {
    const { endpoint, keys } = services.subscribe(person.config.push.vapid?.publicKey)
    return { kind: 'web_push' as const, name: 'Firefox', endpoint, keys }
  }
  const pushedTo = (targets: string[]) => services.pushed.filter(({ to }) => targets.includes(to)).reverse()
  const textsOf = (targets: string[]) => pushedTo(targets).map(({ text }) => JSON.parse(text))
  return { services, makeOwner, browser, pushedTo, textsOf }
}

/** Everything told of the person, brought to the consumer as the queue brings it. */
export async function hear(person: Owner): Promise<void> {
  const rows = await person.db
    .select()
    .from(outbox)
    .where(and(eq(outbox.userId, person.actor.userId)))
    .orderBy(outbox.createdAt, outbox.version)
  const events = rows
    .filter(({ type }) => deliverySubscriber.wants(type))
    .map((row): DomainEvent => ({ ...row, at: row.createdAt.toISOString() }))
  await deliverySubscriber.handle(person, events)
}

export async function tell(person: Owner, dedupeKey: string, over: Told = {}): Promise<string> {
  const { id } = await notify(person, { kind: 'reminder', title: `Said ${dedupeKey}`, dedupeKey, ...over })
  await hear(person)
  return id
}

/** Turns the clock, and does what their Steward would. */
export async function after(person: Owner, seconds: number): Promise<void> {
  person.clock.ms += seconds * 1000
  await deliverDue(person, { userId: person.actor.userId })
}
