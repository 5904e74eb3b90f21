import { Buffer } from 'node:buffer'
import { and, eq, gt, isNull, lt } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, randomToken, type UserCtx } from '#core'
import { ownedBy, ownerId } from '#database'
import { hashToken, isSame, seal, unseal } from '#security'
import type { Provider } from './schema.ts'
import { signInFlows } from './tables.ts'

const KEPT_MS = 600_000
const CODE_MS = 60_000

type FlowCtx = Pick<Ctx, 'db' | 'config' | 'now'>
type Flow = typeof signInFlows.$inferSelect
export type Begun = { provider: Provider; returnTo: string; challenge: string }

const isAt = (ctx: FlowCtx, hash: string, stage: Flow['stage']) =>
  and(eq(signInFlows.hash, hash), eq(signInFlows.stage, stage), gt(signInFlows.expiresAt, ctx.now()))
// Bound to its row, which is nobody's where somebody signs in.
const placeOf = (hash: string) => ({ table: 'sign_in_flows', column: 'sealed', rowId: hash, userId: '' })

const gone = (what: string) => new AppError('gone', `${what}: begin again`)

/** Opens what was sealed for this flow; `gone` where its key was lost. */
export async function openFlow<T>({ config }: FlowCtx, flow: Flow, schema: z.ZodType<T>): Promise<T> {
  try {
    return schema.parse(JSON.parse(await unseal(config.encryptionKeys, placeOf(flow.hash), flow.sealed ?? '')))
  } catch (cause) {
    throw new AppError('gone', 'What was begun cannot be opened: begin again', { cause })
  }
}

/** Begins: the handle is for the browser that is to go, once within ten minutes. */
export async function beginFlow(ctx: FlowCtx, begun: Begun, linker?: UserCtx['actor']) {
  const handle = randomToken()
  const expiresAt = new Date(ctx.now().getTime() + KEPT_MS)
  const whose = linker && { userId: ownerId(linker), sessionId: linker.sessionId }
  await ctx.db
    .insert(signInFlows)
    .values({ ...begun, ...whose, hash: await hashToken(handle), stage: 'begun', expiresAt })
  return { handle, expiresAt }
}

/** What the browser of a flow is sent away with; the handle before it leads nowhere from now on. */
export async function departFlow(ctx: FlowCtx, provider: Provider, handle: string, browser: string) {
  const [state, verifier, nonce] = [randomToken(), randomToken(), randomToken()]
  const [before, hash, browserHash] = await Promise.all([hashToken(handle), hashToken(state), hashToken(browser)])
  const f = signInFlows
  const sealed = await seal(ctx.config.encryptionKeys, placeOf(hash), JSON.stringify({ verifier, nonce }))
  const [row] = await ctx.db
    .update(f)
    .set({ hash, stage: 'away', browserHash, sealed })
    .where(and(isAt(ctx, before, 'begun'), eq(f.provider, provider)))
    .returning({ hash: f.hash })
  if (!row) throw gone('This address was used, or is older than ten minutes')
  return { state, verifier, nonce }
}

const Sent = z.strictObject({ verifier: z.string(), nonce: z.string() })

/** The flow a browser comes back with, once; another browser finds none. */
export async function arriveFlow(ctx: FlowCtx, provider: Provider, state: string, browser: string | undefined) {
  const [hash, browserHash] = await Promise.all([hashToken(state), hashToken(browser ?? '')])
  const f = signInFlows
  const isHere = and(isAt(ctx, hash, 'away'), eq(f.provider, provider), eq(f.browserHash, browserHash))
  const [flow] = browser === undefined ? [] : await ctx.db.delete(f).where(isHere).returning()
  if (!flow) throw gone('This sign-in was not begun in this browser, was ended, or is older than ten minutes')
  return { flow, ...(await openFlow(ctx, flow, Sent)) }
}

/** Ends it: the code is for the client that began, once within a minute. */
export async function endFlow(ctx: FlowCtx, flow: Flow, content: object): Promise<string> {
  const code = randomToken()
  const hash = await hashToken(code)
  const sealed = await seal(ctx.config.encryptionKeys, placeOf(hash), JSON.stringify(content))
  const expiresAt = new Date(ctx.now().getTime() + CODE_MS)
  await ctx.db.insert(signInFlows).values({ ...flow, hash, stage: 'back', sealed, browserHash: null, expiresAt })
  return code
}

type Shown = { code: string; codeVerifier: string }

/** What a code stands for; of whoever links, only for the session that began. */
export async function takeFlow(ctx: FlowCtx, { code, codeVerifier }: Shown, linker?: UserCtx['actor']): Promise<Flow> {
  const f = signInFlows
  const whose = linker ? and(ownedBy(linker, f.userId), eq(f.sessionId, linker.sessionId ?? '')) : isNull(f.userId)
  const isHere = and(isAt(ctx, await hashToken(code), 'back'), whose)
  const [flow] = await ctx.db.delete(f).where(isHere).returning()
  // The code is gone either way: a verifier is not guessed twice.
  if (!flow || !isSame(await challengeOf(codeVerifier), flow.challenge))
    throw gone('This code was used, is older than a minute, or is not for whoever began')
  return flow
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return Buffer.from(digest).toString('base64url')
}

/** Forgets the browsers that did not come back. */
export async function pruneSignInFlows({ db, now }: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  await db.delete(signInFlows).where(lt(signInFlows.expiresAt, now()))
}
