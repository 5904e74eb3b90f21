import { type Column, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { sendMail } from '#email'
import type { Me } from '#users'
import { sessions } from './tables.ts'

type MailCtx = Pick<Ctx, 'db' | 'config' | 'newId' | 'now' | 'client'>

/** Welcome mail, for the batch that makes the person. */
export function welcomeMail(ctx: MailCtx, { id, email, displayName }: Pick<Me, 'id' | 'email' | 'displayName'>) {
  const data = { name: displayName, url: ctx.config.publicUrl }
  return sendMail(ctx, { userId: id, to: email, template: 'welcome', data, key: `welcome:${id}` })
}

/** Whether the person was signed in by the same program from the same country before. A program can lie; so this only tells. */
export function isKnownDevice({ client }: MailCtx, userId: Column | SQL.Aliased): SQL<boolean> {
  return sql<boolean>`exists (select 1 from ${sessions} s where s.user_id = ${userId}
    and s.user_agent = ${client.userAgent} and s.country is not distinct from ${client.country}::text)`
}

/** Tells of a sign-in from a device that was not seen before, for the batch that makes its session. */
export function newDeviceMail(ctx: MailCtx, me: Me, sessionId: string, device: string) {
  const { country, userAgent: agent } = ctx.client
  const when = now(ctx, me)
  const data = { name: me.displayName, device, agent, place: country ?? '', when, url: ctx.config.publicUrl }
  return sendMail(ctx, { userId: me.id, to: me.email, template: 'new_device', data, key: `new-device:${sessionId}` })
}

/** Tells of a change in how the person signs in, for the batch that makes it; `key` is what it is told of. */
export function factorMail(ctx: MailCtx, me: Me, change: string, key: string) {
  const { country, userAgent: agent } = ctx.client
  const data = {
    name: me.displayName,
    change,
    agent,
    place: country ?? '',
    when: now(ctx, me),
    url: ctx.config.publicUrl,
  }
  return sendMail(ctx, { userId: me.id, to: me.email, template: 'factor_changed', data, key: `factor:${key}` })
}

function now(ctx: MailCtx, { preferences: { locale, timeZone } }: Me): string {
  return new Intl.DateTimeFormat([locale, 'en'], { timeZone, dateStyle: 'long', timeStyle: 'long' }).format(ctx.now())
}

type Linked = { id: string; provider: string; email: string | null }
const NAMES: Record<string, string> = { google: 'Google', microsoft: 'Microsoft', apple: 'Apple' }

/** Tells that an account of somebody else's signs in from now on, or no longer. */
export function identityMail(ctx: MailCtx, me: Me, { id, provider, email }: Linked, change: 'linked' | 'unlinked') {
  const named = { name: me.displayName, provider: NAMES[provider] ?? provider, address: email ?? '' }
  const data = { ...named, when: now(ctx, me), url: ctx.config.publicUrl }
  const template = `identity_${change}` as const
  return sendMail(ctx, { userId: me.id, to: me.email, template, data, key: `identity-${change}:${id}` })
}
