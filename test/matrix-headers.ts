import type { Answer } from './world.ts'

type Expected = Record<string, RegExp>

/** On every answer. */
export const HEADERS: Expected = {
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^DENY$/,
  'referrer-policy': /^no-referrer$/,
  'cross-origin-resource-policy': /^same-site$/,
  'strict-transport-security': /^max-age=\d{8,}; includeSubDomains$/,
  'content-security-policy': /default-src 'none'/,
  'x-request-id': /^req_[0-9a-hjkmnp-tv-z]{26}$/,
  // An answer of a model says before what its parts took.
  'server-timing':
    /^(?:(?:choice|reserve|cache|upstream);dur=[\d.]+, )*db;dur=[\d.]+;desc="trips=\d+", total;dur=[\d.]+$/,
  traceparent: /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/,
  vary: /\bOrigin\b/,
}
/** On every answer to a caller who is known, or need not be. */
export const LIMITS: Expected = {
  'ratelimit-policy': /^"\w+";q=\d+;w=\d+$/,
  ratelimit: /^"\w+";r=\d+;t=\d+$/,
  'x-ratelimit-limit': /^\d+$/,
  'x-ratelimit-remaining': /^\d+$/,
  'x-ratelimit-reset': /^\d+$/,
}
/** The headers that are not as they should be. */
export function lacking(answer: Pick<Answer, 'headers'>, headers: Expected): string[] {
  return Object.entries(headers).flatMap(([name, pattern]) => {
    const value = answer.headers.get(name)
    return value !== null && pattern.test(value) ? [] : [`${name}: ${value}`]
  })
}
