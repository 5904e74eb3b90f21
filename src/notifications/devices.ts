import { createHash } from 'node:crypto'
import { and, desc, eq, gt, inArray, lte, ne, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, derivedIds, encodeCursor, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { checkUrl, seal, unseal } from '#security'
import { type Device, DeviceAddress, type NewDevice } from './reach-schema.ts'
import { devices } from './tables.ts'
import { readSubscriber } from './web-push.ts'

const LIST = 'devices'
const CursorKey = z.tuple([s.id('dev')])
const MAX_DEVICES = 20

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = ReadCtx & Pick<UserCtx, 'config' | 'now'>

const placeOf = (rowId: string, userId: string) => ({ table: 'devices', column: 'address', rowId, userId })

function shown(d: ColumnsOf<typeof devices>, { actor }: ReadCtx) {
  return jsonObject<Device>({
    id: d.id,
    kind: d.kind,
    name: d.name,
    isCurrent: sql`coalesce(${d.sessionId} = ${actor.sessionId}::text, false)`,
    lastSentAt: iso(d.lastSentAt),
    createdAt: iso(d.createdAt),
    updatedAt: iso(d.updatedAt),
  })
}

/**
 * Registers what push reaches, or says again that it is there. A device is of whoever registered it last, and of this
 * sign-in: push ends with it. Of more than twenty the oldest is forgotten. One trip.
 */
export async function registerDevice(ctx: WriteCtx, { kind, name, ...address }: NewDevice): Promise<Device> {
  const { actor, db } = ctx
  if (kind === 'web_push' && 'endpoint' in address) await requireSubscription(ctx, address)
  const { sessionId } = actor
  if (sessionId === null) throw new AppError('forbidden', 'A device is registered by whoever is signed in on it')
  const target = 'endpoint' in address ? address.endpoint : address.token
  const hash = createHash('sha256').update(`${kind}|${target}`).digest('base64url')
  // The same device of the same person has the same id, for which its address is sealed.
  const id = derivedIds(`${actor.userId}|${hash}`, new Date(0))('dev')
  const sealed = await seal(ctx.config.encryptionKeys, placeOf(id, actor.userId), JSON.stringify(address))
  const row = { name, sessionId, address: sealed, updatedAt: sql`now()` }
  const [, [made]] = await db.batch([
    db.delete(devices).where(and(eq(devices.hash, hash), ne(devices.userId, ownerId(actor)))),
    db
      .insert(devices)
      .values({ ...row, id, hash, kind, userId: ownerId(actor) })
      .onConflictDoUpdate({ target: devices.id, set: row })
      .returning({ device: shown(devices, ctx) }),
    db
      .delete(devices)
      .where(
        inArray(
          devices.id,
          db
            .select({ id: devices.id })
            .from(devices)
            .where(eq(devices.userId, actor.userId))
            .orderBy(desc(devices.updatedAt), devices.id)
            .offset(MAX_DEVICES),
        ),
      ),
  ])
  if (!made) throw new Error('an insert returned no row')
  return made.device
}

async function requireSubscription({ config }: WriteCtx, { endpoint, keys }: Extract<DeviceAddress, { keys: object }>) {
  const checked = checkUrl(endpoint, config.outbound)
  const refuse = (pointer: string, detail: string) =>
    new AppError('invalid_request', `${pointer}: ${detail}`, { errors: [{ pointer, detail }] })
  if (!checked.ok) throw refuse('/endpoint', `cannot be called: ${checked.reason}`)
  if (!(await readSubscriber(keys))) throw refuse('/keys/p256dh', 'must be a public key of P-256')
}

/** What push reaches of the person's, in no order of time. One trip. */
export async function listDevices(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const rows = await ctx.db
    .select({ device: shown(devices, ctx) })
    .from(devices)
    .where(and(ownedBy(ctx.actor, devices.userId), after === undefined ? undefined : gt(devices.id, after)))
    .orderBy(devices.id)
    .limit(limit + 1)
  return toPage(
    rows.map(({ device }) => device),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Nothing is sent there from now on. One trip. */
export async function removeDevice(ctx: ReadCtx, id: string): Promise<void> {
  const gone = await ctx.db
    .delete(devices)
    .where(and(eq(devices.id, id), ownedBy(ctx.actor, devices.userId)))
    .returning({ id: devices.id })
  if (gone.length === 0) throw new AppError('not_found', 'There is no such device')
}

/** The same of every one that was there by then. One trip. */
export async function removeDevices({ db, actor }: ReadCtx, until: Date): Promise<void> {
  await db.delete(devices).where(and(ownedBy(actor, devices.userId), lte(devices.updatedAt, until)))
}

/** Where to send. Throws where it does not open. */
export async function addressOf(
  { config }: Pick<WriteCtx, 'config'>,
  { id, userId, address }: { id: string; userId: string; address: string },
): Promise<DeviceAddress> {
  return DeviceAddress.parse(JSON.parse(await unseal(config.encryptionKeys, placeOf(id, userId), address)))
}
