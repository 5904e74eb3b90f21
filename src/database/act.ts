import { type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { connect } from './connect.ts'

/** What a change says of itself to the audit: who does what, by which request. */
export type Act = {
  kind: 'session' | 'key' | 'support' | 'admin' | 'service' | 'system' | 'anonymous'
  id: string
  action: string
  request: string
  call: string
  address: string
  agent: string
  /** What it writes comes of others' words. */
  tainted: boolean
}

type ActingCtx = Pick<Ctx, 'actor' | 'client' | 'requestId' | 'operation' | 'callId' | 'isTainted'>

/** What a context is doing, for `connect` to say with each change. */
export function actOf({ actor, client, requestId, operation, callId, isTainted = false }: ActingCtx): Act {
  // What a program writes it may have read anywhere.
  const tainted = isTainted || (actor.kind === 'person' && actor.key !== undefined)
  const from = { address: client.address, agent: client.userAgent }
  const by = { action: operation, request: requestId, call: callId, ...from, tainted }
  switch (actor.kind) {
    case 'person':
      if (actor.key) return { kind: 'key', id: actor.key.id, ...by }
      return actor.sessionId === null
        ? { kind: 'system', id: '', ...by }
        : { kind: actor.staff ?? 'session', id: actor.sessionId, ...by }
    case 'operator':
      return { kind: 'service', id: 'operator', ...by }
    case 'anonymous':
    case 'system':
      return { kind: actor.kind, id: '', ...by }
  }
}

/** The same context, doing something of its own: a tool of a turn, a job of a tick. Its trips are counted as before. */
export function acting<C extends Ctx>(ctx: C, operation: string, callId = ''): C {
  const own = { ...ctx, operation, callId }
  own.db = connect(ctx.config.database, ctx.meter, () => actOf(own))
  return own
}

/** The same context, doing what others' words led to. */
export const tainting = <C extends Ctx>(ctx: C): C => acting({ ...ctx, isTainted: true }, ctx.operation, ctx.callId)

/** The same context, whose database refuses to change anything: what is tried in it cannot be done. */
export function readOnly<C extends Ctx>(ctx: C): C {
  return { ...ctx, db: connect(ctx.config.database, ctx.meter, 'readOnly') }
}

type Record = { person: string; target: string; changes?: object }

/**
 * Tells the audit of what is not in Postgres: an act elsewhere, once it is done and before it is answered; a look.
 * `person` is whose chain it stands in. One trip of its own.
 */
export async function recordAct(ctx: ActingCtx & Pick<Ctx, 'config'>, { changes, ...of }: Record) {
  const db = connect(ctx.config.database, { trips: 0, ms: 0 })
  await db.execute(sql`select ${appendAct(ctx, { ...of, changes: sql`${JSON.stringify(changes ?? {})}` })}`)
}

/** The same of a table that is not audited itself, to be selected by the statement that changes it. */
export function appendAct(ctx: ActingCtx, { person, target, changes }: Omit<Record, 'changes'> & { changes: SQL }) {
  return sql`append_audit(${JSON.stringify(actOf(ctx))}::jsonb, ${person}, ${target}, 'done', '', (${changes})::jsonb)`
}

/**
 * Tells the audit that somebody was refused something. Of those who are not signed in the first of its kind in an hour
 * has a line, and the others are counted in one. One trip of its own.
 */
export async function recordDenial(
  ctx: ActingCtx & Pick<Ctx, 'config'>,
  { person, target, reason }: { person: string; target: string; reason: string },
): Promise<void> {
  const db = connect(ctx.config.database, { trips: 0, ms: 0 })
  await db.execute(sql`select note_denial(${JSON.stringify(actOf(ctx))}::jsonb, ${person}, ${target}, ${reason})`)
}

/** Tells each of these people that somebody of the deployment looked at what is known of them: before it is answered. */
export async function recordLooks(ctx: ActingCtx & Pick<Ctx, 'db'>, people: string[], target = ''): Promise<void> {
  if (people.length === 0) return
  const ids = sql`array(select jsonb_array_elements_text(${JSON.stringify(people)}::jsonb))`
  await ctx.db.execute(sql`select note_looks(${JSON.stringify(actOf(ctx))}::jsonb, ${ids}, ${target})`)
}
