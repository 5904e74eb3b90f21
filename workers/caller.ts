import type { Context } from 'hono'
import { isCsrfToken, readAccessToken, resourceAt } from '#auth'
import { AppError, type Ctx, cookies, type PersonActor, type RouteMeta } from '#core'
import { isKey, readKey } from '#keys'
import { isSame } from '#security'

/** Who asks, by what they bear; refuses whoever the route is not for. */
export async function authenticate(c: Context, ctx: Ctx, meta: RouteMeta): Promise<Ctx['actor']> {
  if (meta.auth === 'none') {
    cookies.refuseStrangePage(c)
    return { kind: 'anonymous' }
  }
  const header = c.req.header('authorization')
  const key = header === undefined && meta.keyHeader ? c.req.header(meta.keyHeader) : undefined
  const token = /^bearer +(\S+)$/i.exec(header ?? (key ? `Bearer ${key}` : ''))?.[1]
  const cookie = meta.auth === 'person' ? cookies.access(c) : undefined
  if (cookie !== undefined)
    return await byCookie(c, ctx, cookie, { other: header ?? key, resource: resourceAt(ctx.config, meta.path) })
  if (!token) throw new AppError('unauthorized', 'Send an access token or an API key: Authorization: Bearer …')
  if (meta.auth === 'operator') {
    const expected = ctx.config.auth.operatorToken
    if (expected && isSame(token, expected)) return { kind: 'operator' }
    return await readAccessToken(ctx, token, ctx.config.publicUrl)
  }
  if (isKey(token)) return await readKey(ctx, token)
  return await readAccessToken(ctx, token, resourceAt(ctx.config, meta.path))
}

// What a browser sends by itself is no proof that its person meant it; a key is never in a cookie.
type Beside = { other: string | undefined; resource: string }

async function byCookie(c: Context, ctx: Ctx, cookie: string, { other, resource }: Beside): Promise<PersonActor> {
  if (other !== undefined) throw new AppError('unauthorized', 'Send Authorization or the cookie, not both')
  const actor = await readAccessToken(ctx, cookie, resource)
  const subject = actor.userId
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return actor
  if (!cookies.isOwnPage(c))
    throw new AppError('origin_refused', 'A change by cookie comes from a page of an allowed origin', { subject })
  if (!isCsrfToken(ctx, actor.sessionId, c.req.header('x-csrf-token')))
    throw new AppError('forbidden', 'Send the CSRF token of this session: X-CSRF-Token', { subject })
  return actor
}
