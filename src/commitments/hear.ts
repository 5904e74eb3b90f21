import { and, desc, eq, inArray, lte, sql } from 'drizzle-orm'
import { readTime } from '#ai'
import { derivedIds, type UserCtx } from '#core'
import { ownedBy, ownerId } from '#database'
import { getSettings, propose } from '#proactivity'
import { kick, tell } from '#queue'
import { getMe } from '#users'
import { endThose } from './commitment.ts'
import { type Deed, deedsIn, findDone, type Standing } from './deeds.ts'
import { offerOf } from './offer.ts'
import { type Promised, promisesIn } from './promises.ts'
import { change, commitmentCreated, type ReadCtx, shown } from './row.ts'
import type { Commitment } from './schema.ts'
import { commitments } from './tables.ts'
import { topicOf, wordsOf } from './words.ts'

/** Of one person. */
export const MAX_OPEN = 200
type Open = Standing & { sourceId: string }
const t = commitments

/** Words of the person's own, and what was made of them already: titles of tasks and events. */
export type Said = {
  text: string
  at: Date
  source: { kind: 'message' | 'mail'; id: string }
  made: readonly string[]
  /** Others had a part in it. */
  tainted: boolean
}

const heardAs = ({ source }: Pick<Said, 'source'>) => (source.kind === 'mail' ? 'mail' : 'chat')

/** Whether a text says anything of promises or of deeds; asks nobody. */
export const concernsCommitments = (text: string): boolean => promisesIn(text, 'mail').length + deedsIn(text).length > 0

/**
 * Hears of what the person said: what they did ends what they said they would do, and what they now say they will do
 * is kept, and offered as a task. The same again changes nothing. No model is asked.
 */
export async function hear(ctx: UserCtx, said: Said): Promise<void> {
  const [deeds, promises] = [deedsIn(said.text), promisesIn(said.text, heardAs(said))]
  if (deeds.length + promises.length === 0) return
  const { inferCommitments } = await getSettings(ctx)
  if (!inferCommitments) return
  const open = await openOnes(ctx, said.at)
  for (const deed of deeds) await endByDeed(ctx, deed, open)
  const fresh = promises.filter((one) => !isMade(one, said.made) && !open.some((known) => isSaid(known, one, said)))
  if (fresh.length > 0) await keep(ctx, said, fresh, MAX_OPEN - open.length)
}

/** Those that were open by then, the newest first. One trip. */
export async function openOnes({ actor, db }: ReadCtx, by: Date): Promise<Open[]> {
  return await db
    .select({ id: t.id, quote: t.quote, what: t.what, sourceId: t.sourceId })
    .from(t)
    .where(and(ownedBy(actor, t.userId), eq(t.status, 'open'), lte(t.createdAt, by)))
    .orderBy(desc(t.id))
    .limit(MAX_OPEN)
}

async function endByDeed(ctx: UserCtx, deed: Deed, open: readonly Standing[]): Promise<void> {
  const done = findDone(deed, open)
  if (done) await endThose(ctx, eq(t.id, done.id), { status: 'done', endedBy: 'message' })
}

// The turn that heard it made a task of it: it is kept there.
function isMade({ what }: Promised, made: readonly string[]): boolean {
  const words = new Set([...topicOf(what), wordsOf(what)[0] ?? ''])
  return made.some((title) => wordsOf(title).some((word) => words.has(word)) || overlap(topicOf(title), words))
}

const overlap = (one: ReadonlySet<string>, other: ReadonlySet<string>) => [...one].some((word) => other.has(word))

// Said again elsewhere it is one; of the same message it is the same row.
function isSaid(known: Open, { what }: Promised, { source }: Said): boolean {
  const key = (text: string) => [wordsOf(text)[0], ...[...topicOf(text)].sort()].join(' ')
  return known.sourceId !== source.id && topicOf(what).size > 0 && key(known.what) === key(what)
}

async function keep(ctx: UserCtx, said: Said, promises: readonly Promised[], room: number): Promise<void> {
  const { timeZone } = (await getMe(ctx)).preferences
  const at = { now: said.at.toISOString(), timeZone }
  const read = await Promise.all(promises.map(async (one) => ({ ...one, time: await readTime(one.what, at) })))
  const newId = derivedIds(`commitments|${said.source.kind}|${said.source.id}`, said.at)
  const rows = read
    // What comes again and again is a habit.
    .filter(({ time }) => time.rhythm === null)
    .slice(0, room)
    .map(({ quote, what, time }) => ({
      ...{ id: newId('cmt'), source: said.source.kind, sourceId: said.source.id },
      ...{ quote, what: titleOf(time.rest, what), due: dueOf(time.moment), createdAt: said.at },
    }))
  if (rows.length === 0) return
  for (const commitment of await insert(ctx, rows)) {
    if (commitment.status !== 'open' || commitment.suggestionId !== null) continue
    const { id } = await propose(ctx, offerOf(commitment, said, ctx.now()))
    await change(ctx, and(eq(t.id, commitment.id), sql`${t.suggestionId} is null`), { suggestionId: id })
  }
}

const titleOf = (rest: string, what: string) => (wordsOf(rest).length > 1 ? rest : what).replace(/[\s,.]+$/, '')

const dueOf = (moment: { date: string; time?: string } | null) =>
  moment && { date: moment.date, ...(moment.time !== undefined && { time: moment.time }) }

/** Those of these that are there then, made or found. Two trips. */
async function insert(ctx: UserCtx, rows: Omit<typeof commitments.$inferInsert, 'userId'>[]): Promise<Commitment[]> {
  const { db, actor } = ctx
  const theirs = rows.map((row) => ({ ...row, userId: ownerId(actor) }))
  const made = db.$with('made').as(db.insert(t).values(theirs).onConflictDoNothing({ target: t.id }).returning())
  const { userId, id: key, version } = made
  const told = tell(db, 'told', made, { kind: commitmentCreated, userId, key, version, data: shown(made) })
  const events = await db.with(made, told).select({ id: told.id }).from(told)
  kick(
    ctx,
    events.map(({ id }) => id),
  )
  const ids = rows.map(({ id }) => id)
  const found = await db
    .select({ commitment: shown(t) })
    .from(t)
    .where(and(inArray(t.id, ids), ownedBy(actor, t.userId)))
    .orderBy(t.id)
  return found.map(({ commitment }) => commitment)
}
