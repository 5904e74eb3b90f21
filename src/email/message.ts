import { z } from 'zod'
import { s } from '#core'

const MAX_PART = 100_000
const MAX_HEADERS = 10

// RFC 5321: 64 octets before the @, 254 in all. ASCII alone, as registration takes them.
const LOCAL_PART = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@/

/** An address as it may stand in a header: no name, no comment, no quotes. */
export const Address = z.email().max(254).regex(LOCAL_PART)

/** What stands behind a header's name: one line, printable. RFC 5322 wants fewer than 998 octets. */
const HeaderValue = z.string().regex(/^[\x20-\x7e]{1,900}$/)
const HeaderName = z.string().regex(/^(?:Auto-Submitted|X-[A-Za-z0-9-]{1,60})$/)

export const Content = z.strictObject({
  /** Whom an answer goes to, where that is not us. */
  replyTo: Address.optional(),
  subject: s.line(200),
  html: s.text(MAX_PART, 1),
  text: s.text(MAX_PART, 1),
})
export type Content = z.infer<typeof Content>

/** One mail to one person, as every vendor is given it: nothing in it can begin another header. */
export const Mail = z.strictObject({
  id: s.id('eml'),
  to: Address,
  kind: z.string().regex(/^[a-z_]{1,40}$/),
  ...Content.shape,
  headers: z
    .record(HeaderName, HeaderValue)
    .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, `has at most ${MAX_HEADERS}`),
})
export type Mail = z.infer<typeof Mail>

/** What became of handing a mail over. `unknown`: it may have gone out, and nobody can say. */
export type Outcome =
  | { kind: 'sent'; providerId: string | null }
  | { kind: 'refused'; reason: string }
  | { kind: 'later'; reason: string; retryAfterS?: number }
  | { kind: 'unknown'; reason: string }
