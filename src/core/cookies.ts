import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Ctx } from './ctx.ts'
import { AppError } from './errors.ts'

export type HttpContext = Context

// A browser takes a cookie of this prefix only over TLS, for this host alone and the whole of it (RFC 6265bis).
const ACCESS = 'aurelius-access'
const REFRESH = 'aurelius-refresh'
const ATTRIBUTES = { prefix: 'host', httpOnly: true, secure: true, sameSite: 'Lax', path: '/' } as const
const ASKED = 'aurelius-session'

/** By which a page asks for cookies: no form can send it, and another origin must be allowed to. */
export const SessionHeader = z.object({
  [ASKED]: z
    .literal('cookie')
    .optional()
    .openapi({ description: 'Keep the tokens in cookies of this browser, and answer a CSRF token in their place' }),
})

export const areAsked = (c: Context): boolean => c.req.header(ASKED) !== undefined

/** Whether a page of an allowed origin asks: browsers name it with every change, and no page can forge it. */
export function isOwnPage(c: Context): boolean {
  const { config }: Ctx = c.get('ctx')
  const origin = c.req.header('origin')
  return origin !== undefined && config.allowedOrigins.includes(origin)
}

/** Refuses to hand out or renew cookies for anything but a page of an allowed origin. */
export function refuseStrangePage(c: Context): void {
  if (!areAsked(c) || isOwnPage(c)) return
  const problem = { pointer: `header/${ASKED}`, detail: 'cookies are for pages of an allowed origin' }
  throw new AppError('invalid_request', `${problem.pointer}: ${problem.detail}`, { errors: [problem] })
}

const read = (c: Context, name: string) =>
  c.req.header('cookie') === undefined ? undefined : getCookie(c, name, 'host')
export const access = (c: Context) => read(c, ACCESS)
export const refresh = (c: Context) => read(c, REFRESH)

type Kept = { accessToken: string; accessS: number; refreshToken: string; refreshS: number }

export function keep(c: Context, { accessToken, accessS, refreshToken, refreshS }: Kept): void {
  setCookie(c, ACCESS, accessToken, { ...ATTRIBUTES, maxAge: accessS })
  setCookie(c, REFRESH, refreshToken, { ...ATTRIBUTES, maxAge: refreshS })
}

/** Lets the browser forget its session. */
export function drop(c: Context): void {
  if (c.req.header('cookie') === undefined) return
  for (const name of [ACCESS, REFRESH]) deleteCookie(c, name, ATTRIBUTES)
}
