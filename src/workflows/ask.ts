import { and, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, type UserCtx } from '#core'
import { seal, unseal } from '#security'
import { newSecret, verifySignature } from '#webhooks'
import { type FireCtx, fire } from './fire.ts'
import { fireOrHold } from './react.ts'
import { readReady, readTriggers } from './ready.ts'
import { mine, missing } from './row.ts'
import { triggers, workflows } from './tables.ts'
import type { HookSecret, RunAsked } from './workflow-schema.ts'

const MAX_FIELD = 4000

const placeOf = (rowId: string, userId: string) => ({ table: 'triggers', column: 'secret', rowId, userId })

/** Runs it now, also where it is off. Under the same Idempotency-Key the same run. Three trips. */
export async function runWorkflow(
  ctx: FireCtx & Pick<UserCtx, 'actor'>,
  id: string,
  data: Record<string, unknown>,
): Promise<RunAsked> {
  const [own] = await ctx.db.select({ id: workflows.id }).from(workflows).where(mine(ctx, id))
  const ready = own && (await readReady(ctx, ctx.actor.userId, id))
  if (!ready) throw missing()
  const runId = ctx.newId('run')
  const trigger = { kind: 'manual', at: ctx.now().toISOString(), data }
  const firing = {
    kind: 'manual',
    triggerId: null,
    trigger,
    cause: `manual:${runId}`,
    subject: null,
    // What a program gives it may have read anywhere.
    tainted: ctx.actor.key !== undefined,
    depth: 0,
  }
  const fired = await fire({ ...ctx, newId: () => runId }, ready, { ...firing, isByHand: true })
  if (fired.runId === null) throw new AppError('conflict', 'A run for the same thing has not ended')
  return { runId: fired.runId }
}

/** A new secret for the address of its webhook, shown this once; the one before no longer opens it. Two trips. */
export async function makeHookSecret(ctx: Pick<UserCtx, 'actor' | 'db' | 'config'>, id: string): Promise<HookSecret> {
  const [trigger] = await ctx.db
    .select({ id: triggers.id })
    .from(workflows)
    .innerJoin(triggers, and(eq(triggers.workflowId, workflows.id), eq(triggers.kind, 'webhook')))
    .where(mine(ctx, id))
  if (!trigger) throw missing()
  const secret = newSecret()
  const sealed = await seal(ctx.config.encryptionKeys, placeOf(trigger.id, ctx.actor.userId), secret)
  const isTheirs = and(eq(triggers.id, trigger.id), eq(triggers.userId, ctx.actor.userId))
  await ctx.db.update(triggers).set({ secret: sealed, updatedAt: sql`now()` }).where(isTheirs)
  return { path: `/v1/hooks/${trigger.id}`, secret }
}

export type Hook = { id: string; headers: Record<string, string | undefined>; text: string; data: unknown }

/**
 * Takes what somebody outside says happened: signed by Standard Webhooks with the secret of its address, within five
 * minutes, the same `webhook-id` once. Whoever cannot sign is told nothing of what is there.
 */
export async function takeHook(ctx: Ctx, { id, headers, text, data }: Hook): Promise<{ accepted: true }> {
  const [armed] = await readTriggers(ctx, sql`t.id = ${id} and t.kind = 'webhook' and t.secret is not null`)
  if (!armed?.secret || armed.config.kind !== 'webhook') throw nobody()
  const secret = await unseal(ctx.config.encryptionKeys, placeOf(id, armed.userId), armed.secret)
  const signed = verifySignature(headers, text, secret, ctx.now())
  if (!signed.ok) throw nobody()
  const given = z.record(z.string().max(100), z.unknown()).safeParse(data)
  const errors = given.success
    ? faultsIn(given.data, armed.config.fields ?? [])
    : [{ pointer: '', detail: 'must be an object' }]
  const [first] = errors
  if (first) throw new AppError('invalid_request', `${first.pointer}: ${first.detail}`, { errors })
  const trigger = { kind: 'webhook', at: ctx.now().toISOString(), id: signed.id, data: given.data }
  // The end of the second in which it was signed: brought again, it is older than what it set off.
  const toldAt = new Date(Number(headers['webhook-timestamp']) * 1000 + 999).toISOString()
  // Whoever signs is known, what they write is not.
  await fireOrHold(ctx, armed, { trigger, cause: `hook:${signed.id}`, subject: signed.id, tainted: true, toldAt })
  return { accepted: true }
}

const nobody = () => new AppError('invalid_signature', 'Sign the request with the secret of this address')

type Field = {
  name: string
  type: 'string' | 'number' | 'boolean'
  required?: boolean | undefined
  max?: number | undefined
}

function faultsIn(data: Record<string, unknown>, fields: readonly Field[]) {
  return fields.flatMap(({ name, type, required = false, max = MAX_FIELD }) => {
    const value = data[name]
    const pointer = `/${name}`
    if (value === undefined) return required ? [{ pointer, detail: 'is missing' }] : []
    if (typeof value !== type) return [{ pointer, detail: `must be a ${type}` }]
    return typeof value === 'string' && value.length > max
      ? [{ pointer, detail: `must have at most ${max} characters` }]
      : []
  })
}
