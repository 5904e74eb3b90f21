import { and, type Column, eq, isNotNull, isNull, lte, not, type SQL, sql } from 'drizzle-orm'
import { AppError, type Ctx, defineEvent, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { kick, tell } from '#queue'
import { Me, type MePatch, type Preferences, type PreferencesPatch } from './schema.ts'
import { users } from './tables.ts'

const meUpdated = defineEvent('me.updated', 'me', Me)

function shown(u: ColumnsOf<typeof users>) {
  const preferences = jsonObject<Preferences>({
    timeZone: u.timeZone,
    locale: u.locale,
    quietHours: u.quietHours,
    workingHours: u.workingHours,
    voice: u.voice,
  })
  return jsonObject<Me>({
    id: u.id,
    email: u.email,
    emailVerified: sql`${u.emailVerifiedAt} is not null`,
    displayName: u.displayName,
    preferences,
    deletionAt: iso(u.deletionAt),
    version: u.version,
    createdAt: iso(u.createdAt),
    updatedAt: iso(u.updatedAt),
  })
}

type MeCtx = Pick<UserCtx, 'actor' | 'db'>
type ChangeCtx = MeCtx & Pick<UserCtx, 'env' | 'waitUntil' | 'log'>

/** The signed-in person with their preferences. One trip. */
export async function getMe(ctx: MeCtx): Promise<Me> {
  const [row] = await ctx.db
    .select({ me: shown(users) })
    .from(users)
    .where(ownedBy(ctx.actor, users.id))
  if (!row) throw new AppError('not_found', 'This person no longer exists')
  return row.me
}

/** The same, and the id under which they are to be erased; null: they stay. */
export async function getDeletion(ctx: MeCtx): Promise<{ me: Me; erasureId: string | null }> {
  const [row] = await ctx.db
    .select({ me: shown(users), erasureId: users.erasureId })
    .from(users)
    .where(ownedBy(ctx.actor, users.id))
  if (!row) throw new AppError('not_found', 'This person no longer exists')
  return row
}

/** For whoever runs the deployment: `not_found` unless somebody has this id. One trip. */
export async function requirePerson(ctx: Pick<Ctx, 'db'>, id: string): Promise<void> {
  const [row] = await ctx.db.select({ id: users.id }).from(users).where(eq(users.id, id))
  if (!row) throw new AppError('not_found', 'Nobody has this id')
}

/** Changes what is given; `version` is the one that was read, or `*`. One trip; 412 when it has moved on. */
export async function updateMe(ctx: ChangeCtx, input: MePatch, version: number | '*'): Promise<Me> {
  const { db, actor } = ctx
  const given = { ...input.preferences, ...(input.displayName !== undefined && { displayName: input.displayName }) }
  if (Object.keys(given).length === 0) return await unchanged(ctx, version)
  const current = db
    .$with('current')
    .as(db.select({ id: users.id, version: users.version }).from(users).where(ownedBy(actor, users.id)))
  const changed = db.$with('changed').as(
    db
      .update(users)
      .set({
        ...given,
        version: sql`${users.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(ownedBy(actor, users.id), version === '*' ? undefined : eq(users.version, version)))
      .returning(),
  )
  const told = tell(db, 'told', changed, {
    kind: meUpdated,
    userId: actor.userId,
    key: changed.id,
    version: changed.version,
    data: shown(changed),
  })
  const [row] = await db
    .with(current, changed, told)
    .select({ changed: changed.id, me: shown(changed), eventId: told.id })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
    .leftJoin(told, sql`true`)
  if (!row) throw new AppError('not_found', 'This person no longer exists')
  if (row.changed === null) throw stale()
  kick(ctx, [row.eventId])
  return row.me
}

// Nothing to change is nothing to tell: no new version, no event.
async function unchanged(ctx: MeCtx, version: number | '*'): Promise<Me> {
  const me = await getMe(ctx)
  if (version !== '*' && version !== me.version) throw stale()
  return me
}

const stale = () => new AppError('version_stale', 'Your profile has changed since you read it')

/** The preferences alone: what an assistant's tool reads and sets. */
export async function getPreferences(ctx: MeCtx): Promise<Preferences> {
  return (await getMe(ctx)).preferences
}

/** The same as they are now, as one value, with whose they are. */
export function preferencesState({ actor }: MeCtx): SQL<Preferences & { id: string; version: number }> {
  const { id, timeZone, locale, quietHours, workingHours, voice, version } = users
  const state = jsonObject({ id, timeZone, locale, quietHours, workingHours, voice, version })
  return sql`(select ${state} from ${users} where ${ownedBy(actor, users.id)})`
}

export async function setPreferences(ctx: ChangeCtx, input: PreferencesPatch): Promise<Preferences> {
  return (await updateMe(ctx, { preferences: input }, '*')).preferences
}

/** For the batch that sets or takes back a day of erasure, before it: what begins at the time is waited for, and seen. */
export function holdPerson({ actor, db }: MeCtx) {
  return db.select({ id: users.id }).from(users).where(ownedBy(actor, users.id)).for('no key update')
}

/** When a person is to be erased and under which id; null: they stay. */
export type Deletion = { at: Date; erasureId: string } | null

/**
 * Sets the day of a person's erasure, or takes it back, unless `isTooLate`: a statement for the batch that also says so
 * by mail. Its row is the person and the event to kick; no row: there is nothing to change.
 */
export function setDeletion({ actor, db }: MeCtx, deletion: Deletion, isTooLate: SQL) {
  const isChange = deletion ? isNull(users.deletionAt) : isNotNull(users.deletionAt)
  const changed = db.$with('changed').as(
    db
      .update(users)
      .set({
        deletionAt: deletion?.at ?? null,
        erasureId: deletion?.erasureId ?? null,
        version: sql`${users.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(ownedBy(actor, users.id), isChange, not(isTooLate)))
      .returning(),
  )
  const told = tell(db, 'told', changed, {
    kind: meUpdated,
    userId: actor.userId,
    key: changed.id,
    version: changed.version,
    data: shown(changed),
  })
  return db
    .with(changed, told)
    .select({ me: shown(changed), eventId: told.id })
    .from(changed)
    .leftJoin(told, sql`true`)
}

/** Those whose day to be erased has come and is not begun, a few at a time; nobody who is just taking it back. */
export function dueDeletions({ db, now }: Pick<Ctx, 'db' | 'now'>, limit: number, isBegun: (userId: Column) => SQL) {
  return db
    .select({ id: sql<string>`${users.erasureId}`.as('erasure'), userId: users.id })
    .from(users)
    .where(and(lte(users.deletionAt, now()), not(isBegun(users.id))))
    .limit(limit)
    .for('no key update', { skipLocked: true })
}

export type NewUser = {
  id: string
  email: string
  displayName: string
  timeZone: string
  locale: string
  emailVerifiedAt?: Date
}

/** The statement that makes a person, for the batch that also makes their credential. */
export function insertUser(db: Ctx['db'], input: NewUser) {
  return db
    .insert(users)
    .values(input)
    .returning({ me: shown(users) })
}

/** Who signs in; `stamp` is how what opens the account stood when it was read, for whoever lets them in. */
const entering = { id: users.id, stamp: users.securityStamp, me: shown(users).as('me') }

/** The person behind an address, for sign-in; any letter case. */
export function userByEmail(db: Ctx['db'], email: string) {
  return db
    .select(entering)
    .from(users)
    .where(eq(sql`lower(${users.email})`, email.toLowerCase()))
}

/** The person of an id, for sign-in. */
export function userById(db: Ctx['db'], id: string) {
  return db.select(entering).from(users).where(eq(users.id, id))
}

/** How what opens the account stands in the statement itself, and whether this is the person's address there. */
export const stampOf = (userId: SQL) =>
  sql<number | null>`(select ${users.securityStamp} from ${users} where ${users.id} = ${userId})`
export const hasAddress = (userId: Column, email: Column) =>
  sql`exists (select 1 from ${users} where ${users.id} = ${userId} and lower(${users.email}) = lower(${email}))`

/**
 * The first statement of a batch that ends all a person's sessions: whoever is being let in at the time has their session
 * before the next statement looks, or is refused one. `unconfirmed`: only where nobody has confirmed the address.
 */
export function renewStamp(db: Ctx['db'], userId: SQL, { unconfirmed = false } = {}) {
  return db
    .update(users)
    .set({ securityStamp: sql`${users.securityStamp} + 1` })
    .where(and(sql`${users.id} = ${userId}`, unconfirmed ? isNull(users.emailVerifiedAt) : undefined))
}

/** The address before the statement changes it, as a CTE. */
export function addressOf(db: Ctx['db'], userId: SQL) {
  return db.$with('before').as(db.select({ email: users.email }).from(users).where(sql`${users.id} = ${userId}`))
}

type Reached = { userId: SQL; email: SQL; at: Date }

/**
 * Mail to `email` reached the person: as CTEs, their address is confirmed if it is this one, or becomes it where it
 * `moves`. No row where nothing changes.
 */
export function reachAddress(db: Ctx['db'], { userId, email, at }: Reached, { moves = false } = {}) {
  const reached = db.$with('reached').as(
    db
      .update(users)
      .set({
        ...(moves && { email: sql`${email}` }),
        emailVerifiedAt: at,
        version: sql`${users.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(
        and(
          sql`${users.id} = ${userId}`,
          moves ? undefined : and(sql`lower(${users.email}) = lower(${email})`, isNull(users.emailVerifiedAt)),
        ),
      )
      .returning(),
  )
  const data = shown(reached)
  const updated = { kind: meUpdated, userId: sql`${reached.id}`, key: reached.id, version: reached.version, data }
  return [reached, tell(db, 'told_reached', reached, updated)] as const
}

/** Everybody, for a join that says whom. */
export function people(db: Ctx['db']) {
  return db.select(entering).from(users)
}

/** What a prompt says of the person, as a statement for the batch that opens a turn. */
export function factsForPrompt(ctx: MeCtx) {
  const { timeZone, locale, displayName } = users
  return ctx.db.select({ timeZone, locale, displayName }).from(users).where(ownedBy(ctx.actor, users.id))
}

/** What whoever runs the deployment changes of somebody, as a statement of a batch; `isFit`: the version was the one read. */
export function changeAccount(
  db: Ctx['db'],
  id: string,
  { disabled, role }: { disabled?: boolean | undefined; role?: 'person' | 'support' | 'admin' | undefined },
  version: number | '*',
) {
  const current = db.$with('current').as(db.select({ id: users.id }).from(users).where(eq(users.id, id)))
  const changed = db.$with('changed').as(
    db
      .update(users)
      .set({
        ...(role !== undefined && { role }),
        ...(disabled !== undefined && { disabledAt: disabled ? sql`coalesce(${users.disabledAt}, now())` : null }),
        version: sql`${users.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(eq(users.id, id), version === '*' ? undefined : eq(users.version, version)))
      .returning({ id: users.id }),
  )
  return db
    .with(current, changed)
    .select({ id: current.id, isFit: sql<boolean>`exists (select 1 from changed)` })
    .from(current)
}
