import { AppError, type Ctx, cookies } from '#core'
import { isSame, sign } from '#security'
import { type CookieSession, RefreshToken, type Tokens } from './schema.ts'
import { ACCESS_TOKEN_S, IDLE_DAYS } from './tokens.ts'

type CsrfCtx = Pick<Ctx, 'config'>

const csrfToken = ({ config }: CsrfCtx, sessionId: string) => sign(config.auth.refreshKey, 'csrf token', sessionId)

/** Whether a page was told this by the sign-in or a renewal of this session. */
export function isCsrfToken(ctx: CsrfCtx, sessionId: string | null, token: string | undefined): boolean {
  return sessionId !== null && token !== undefined && isSame(token, csrfToken(ctx, sessionId))
}

type Handed<T extends Tokens> = T | (Omit<T, keyof Tokens> & CookieSession)

/**
 * The answer to whoever has signed in or renews, whatever way: tokens, or to a page that asks so a CSRF token, and the
 * tokens in cookies. A page of another origin was refused before anything was done.
 */
export function handOver<T extends Tokens>(c: cookies.HttpContext, tokens: T): Handed<T> {
  if (!cookies.areAsked(c)) return tokens
  const ctx: Ctx = c.get('ctx')
  const { accessToken, refreshToken, tokenType: _, sessionId, expiresIn, ...rest } = tokens
  cookies.keep(c, { accessToken, accessS: ACCESS_TOKEN_S, refreshToken, refreshS: IDLE_DAYS * 86_400 })
  return { ...rest, tokenType: 'Cookie', sessionId, expiresIn, csrfToken: csrfToken(ctx, sessionId) }
}

/** The refresh token that was sent, or that the browser of a page that asks so keeps: never both. */
export function refreshTokenOf(c: cookies.HttpContext, given: string | undefined): { refreshToken: string } {
  if (!cookies.areAsked(c)) {
    if (given !== undefined) return { refreshToken: given }
    const problem = { pointer: '/refreshToken', detail: 'must be there where no cookie is asked for' }
    throw new AppError('invalid_request', `${problem.pointer}: ${problem.detail}`, { errors: [problem] })
  }
  if (given !== undefined) throw new AppError('unauthorized', 'Send the refresh token or the cookie, not both')
  const kept = RefreshToken.safeParse(cookies.refresh(c))
  if (!kept.success) throw new AppError('unauthorized', 'This browser keeps no session; sign in')
  return { refreshToken: kept.data }
}
