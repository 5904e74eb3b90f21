import { eq } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, defineEvent } from '#core'
import { sendMail } from '#email'
import { keyCreated } from '#keys'
import { kick, type Subscriber } from '#queue'
import { type Me, userByEmail, userById } from '#users'
import { codeAsked, issueCode, type Reader } from './codes.ts'
import { authCodes } from './tables.ts'

const Moved = z.strictObject({ from: z.string(), to: z.string() })
export const passwordChanged = defineEvent('password.changed', null, z.strictObject({}))
export const addressChanged = defineEvent('address.changed', null, Moved)

/**
 * Somebody came in by an address that nobody had confirmed: who began the account need not be them. What was there until
 * then and lets in, or sends out, goes.
 */
export const accountReclaimed = defineEvent('account.reclaimed', null, z.strictObject({ until: z.string() }))

// Of a domain that stands on this one.
const signingKeyAdded = defineEvent('signing_key.added', null, z.object({ name: z.string() }))
const TOLD = [codeAsked, passwordChanged, addressChanged, accountReclaimed, keyCreated, signingKeyAdded].map(
  ({ type }) => type,
)
// What a mail shows of it is 200 letters.
const RECLAIMED =
  'Your address was confirmed for the first time. What opened the account or sent from it before goes; by a link, the password too. Workflows and schedules are off, any planned deletion is called off.'

type MailCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'>

/** Writes to people what the request that caused it had no business to find out, or to wait for. */
export const accountSubscriber: Subscriber = {
  name: 'account-mail',
  wants: (type) => TOLD.includes(type),
  async handle(ctx, events) {
    for (const { type, id, userId, data } of events) {
      if (type === codeAsked.type) await answerAsked(ctx, codeAsked.data.parse(data).id)
      else if (type === passwordChanged.type)
        await tellChange(ctx, id, userId, 'The password of your account was changed.')
      else if (type === accountReclaimed.type) await tellChange(ctx, id, userId, RECLAIMED)
      else if (type === keyCreated.type) await tellKey(ctx, userId, keyCreated.data.parse(data))
      else if (type === signingKeyAdded.type)
        await tellChange(ctx, id, userId, `The signing key "${signingKeyAdded.data.parse(data).name}" was added.`)
      else await tellMoved(ctx, id, userId, Moved.parse(data))
    }
  },
}

export const readerOf = ({ displayName, emailVerified, preferences: { locale, timeZone } }: Me): Reader => ({
  name: displayName,
  locale,
  timeZone,
  unconfirmed: !emailVerified,
})

async function answerAsked(ctx: MailCtx, id: string): Promise<void> {
  const { db } = ctx
  const [code] = await db.select().from(authCodes).where(eq(authCodes.id, id))
  if (!code || code.hash !== null) return
  const { kind, email, registrant } = code
  const [known] = await userByEmail(db, email)
  const drop = db.delete(authCodes).where(eq(authCodes.id, id))
  if (registrant ? known : !known) {
    const told = known && (await accountExists(ctx, id, known.me))
    await db.batch([drop, ...(told?.statements ?? [])])
    return kick(ctx, [told?.job])
  }
  const { displayName = '', locale = 'en', timeZone = 'UTC' } = registrant ?? {}
  const reader = known ? readerOf(known.me) : { name: displayName, locale, timeZone }
  // To the address as it is kept, which may be written otherwise than it was asked for.
  const to = known?.me.email ?? email
  const issued = await issueCode(ctx, { id, kind, userId: known?.id ?? null, email: to, reader })
  const [first, ...rest] = issued.statements
  if (first) await db.batch([first, ...rest])
  kick(ctx, [issued.job])
}

function accountExists(ctx: MailCtx, id: string, { id: userId, email, displayName }: Me) {
  const data = { name: displayName, url: ctx.config.publicUrl }
  return sendMail(ctx, { userId, to: email, template: 'account_exists', data, key: `exists:${id}` })
}

async function tellKey(ctx: MailCtx, userId: string, key: z.infer<typeof keyCreated.data>): Promise<void> {
  const [known] = await userById(ctx.db, userId)
  if (!known) return
  const { email, displayName, preferences } = known.me
  const when = new Intl.DateTimeFormat([preferences.locale, 'en'], {
    timeZone: preferences.timeZone,
    dateStyle: 'long',
    timeStyle: 'long',
  }).format(ctx.now())
  const data = { name: displayName, key: key.name, scopes: key.scopes.join(', '), when, url: ctx.config.publicUrl }
  await send(
    ctx,
    await sendMail(ctx, { userId, to: email, template: 'key_created', data, key: `key-created:${key.id}` }),
  )
}

async function send(ctx: MailCtx, mail: Awaited<ReturnType<typeof sendMail>>): Promise<void> {
  const [first, ...rest] = mail.statements
  if (first) await ctx.db.batch([first, ...rest])
  kick(ctx, [mail.job])
}

async function tellChange(ctx: MailCtx, key: string, userId: string, change: string, to?: string): Promise<void> {
  const [known] = await userById(ctx.db, userId)
  if (!known) return
  const data = { name: known.me.displayName, change, url: ctx.config.publicUrl }
  await send(ctx, await sendMail(ctx, { userId, to: to ?? known.me.email, template: 'account_changed', data, key }))
}

async function tellMoved(ctx: MailCtx, id: string, userId: string, { from, to }: z.infer<typeof Moved>): Promise<void> {
  await tellChange(ctx, `moved:${id}`, userId, `The address of your account is now ${to}.`, from)
}
