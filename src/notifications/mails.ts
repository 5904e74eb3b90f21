import type { Ctx } from '#core'
import { type DataOf, type MailKind, sendMail } from '#email'
import { kick } from '#queue'
import type { Me } from '#users'
import { type Claimed, giveUp, isClaimed } from './claim.ts'
import { settleMailed } from './ledger.ts'

type MailCtx = Pick<Ctx, 'db' | 'config' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>
type Kind = Extract<MailKind, 'notification' | 'notification_digest'>

const MAX_ITEMS = 20

/** Writes of one thing. */
export async function mailOne(ctx: MailCtx, me: Me, claimed: Claimed): Promise<void> {
  const { title, body } = claimed.told
  const data = { name: me.displayName, title, details: body, url: ctx.config.publicUrl }
  await send(ctx, me, [claimed], 'notification', data)
}

/** Writes once of all that was gathered. */
export async function mailDigest(ctx: MailCtx, me: Me, claimed: Claimed[]): Promise<void> {
  if (claimed.length === 0) return
  const items = claimed.slice(0, MAX_ITEMS).map(({ told }) => told.title)
  const more = claimed.length - items.length
  const data = {
    name: me.displayName,
    items: more > 0 ? [...items, `and ${more} more`] : items,
    url: ctx.config.publicUrl,
  }
  await send(ctx, me, claimed, 'notification_digest', data)
}

// The mail and what the ledger says of it are one commit; what breaks off before is done again, with the same key.
async function send<K extends Kind>(ctx: MailCtx, me: Me, claimed: Claimed[], template: K, data: DataOf<K>) {
  const rows = claimed.map(({ row }) => row)
  const problem = !ctx.config.mail ? 'no mail is sent here' : me.emailVerified ? null : 'the address is not confirmed'
  if (problem !== null) return await giveUp(ctx, rows, problem)
  const mail = { userId: me.id, to: me.email, template, data, key: `delivery:${rows[0]?.id}` }
  const { statements, id, job, isQueued } = await sendMail(ctx, mail)
  const [first, ...others] = [...statements, settleMailed(ctx, isClaimed(rows), { id, isQueued })]
  if (first) await ctx.db.batch([first, ...others])
  kick(ctx, [job])
}
