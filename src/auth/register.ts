import { eq } from 'drizzle-orm'
import { AppError } from '#core'
import { duplicateOf } from '#database'
import { kick } from '#queue'
import { hashPassword, hashToken, verifyPassword } from '#security'
import { insertUser } from '#users'
import { askCode, badCode, issueCode, tryCode } from './codes.ts'
import { welcomeMail } from './mails.ts'
import { openSession, type SignInCtx } from './open.ts'
import { requireStrong } from './password-rules.ts'
import type { Registration, RegistrationConfirm, SignedIn } from './schema.ts'
import { authCodes, credentials, type Registrant } from './tables.ts'

/** As this deployment registers people: with a session, or by mail, which answers nothing. */
export async function register(ctx: SignInCtx, input: Registration): Promise<SignedIn | undefined> {
  if (ctx.config.registration === 'direct') return await registerDirectly(ctx, input)
  await askCode(ctx, 'register', input.email, await registrantOf(ctx, input))
  return undefined
}

/** Makes a person and a first session in one batch; `email_taken` says that the address is known. */
export async function registerDirectly(ctx: SignInCtx, input: Registration): Promise<SignedIn> {
  const { email, deviceName } = input
  const registrant = await registrantOf(ctx, input)
  try {
    return await makePerson(ctx, { email, registrant, deviceName })
  } catch (error) {
    if (duplicateOf(error) === 'users_email')
      throw new AppError('email_taken', 'This address is already registered; sign in instead')
    throw error
  }
}

async function registrantOf(ctx: SignInCtx, input: Registration): Promise<Registrant> {
  const { email, displayName, timeZone, locale, password } = input
  await requireStrong(password, { email, displayName, hasSecondFactor: false })
  const passwordHash = await hashPassword(ctx, password)
  return { passwordHash, displayName, timeZone, locale }
}

/**
 * Makes the person who asked for it and can read the mail. The password is asked for again: whoever is mailed what
 * somebody else began in their name does not know it, and ten wrong ones end the code.
 */
export async function confirmRegistration(ctx: SignInCtx, input: RegistrationConfirm): Promise<SignedIn> {
  const { email, registrant, id } = await tryCode(ctx, 'register', await hashToken(input.token))
  if (!registrant) throw badCode()
  const { ok } = await verifyPassword(ctx, input.password, registrant.passwordHash)
  if (!ok) throw new AppError('invalid_credentials', 'This is not the password that was chosen')
  try {
    return await makePerson(ctx, { email, registrant, deviceName: input.deviceName }, id)
  } catch (error) {
    // By another code, or this one at the same time.
    if (duplicateOf(error) === 'users_email') throw badCode()
    throw error
  }
}

type NewPerson = { email: string; registrant: Registrant; deviceName: string }

/** One batch; `codeId`: the code that showed that mail reaches them. Without one they are sent another. */
async function makePerson(ctx: SignInCtx, { email, registrant, deviceName }: NewPerson, codeId?: string) {
  const { passwordHash, displayName, timeZone, locale } = registrant
  const userId = ctx.newId('usr')
  const session = await openSession(ctx, { userId, stamp: 0, deviceName, method: 'password' })
  const welcome = await welcomeMail(ctx, { id: userId, email, displayName })
  const reader = { name: displayName, locale, timeZone }
  const verify = codeId ? null : await issueCode(ctx, { id: ctx.newId('cod'), kind: 'verify', userId, email, reader })
  const [made] = await ctx.db.batch([
    insertUser(ctx.db, {
      id: userId,
      email,
      displayName,
      timeZone,
      locale,
      ...(codeId && { emailVerifiedAt: ctx.now() }),
    }),
    ctx.db.insert(credentials).values({ userId, passwordHash }),
    ...session.statements,
    ...welcome.statements,
    ...(verify?.statements ?? []),
    ctx.db.delete(authCodes).where(eq(authCodes.id, codeId ?? '')),
  ])
  kick(ctx, [welcome.job, verify?.job])
  const user = made[0]?.me
  if (!user) throw new Error('an insert returned no row')
  return { ...(await session.tokens()), user }
}
