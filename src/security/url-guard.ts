import { AppError } from '#core'

/** `loopback`: this machine may be called, by http too; for local runs and tests alone. */
export type OutboundPolicy = { loopback: boolean }
export type Checked = { ok: true; url: URL } | { ok: false; reason: string }

const PORTS = new Set(['', '8443'])
const MAX_URL = 2000
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

// Names that lead inside, and public ones whose whole use is to lead there.
const INSIDE = new Set([
  'localhost',
  'local',
  'localdomain',
  'internal',
  'intranet',
  'lan',
  'home',
  'corp',
  'private',
  'arpa',
  'onion',
  'nip.io',
  'sslip.io',
  'xip.io',
  'localtest.me',
  'lvh.me',
  'vcap.me',
  'lacolhost.com',
])

/**
 * Whether a person's URL may be called: https to a public name on a known port. No address is taken, in whatever form it
 * is written, since the parser writes them all alike.
 */
export function checkUrl(text: string, policy: OutboundPolicy): Checked {
  const no = (reason: string): Checked => ({ ok: false, reason })
  if (text.length > MAX_URL || /[^\x21-\x7e]|\\/.test(text)) return no('it is too long, or has characters no URL has')
  if (!URL.canParse(text)) return no('it is not a URL')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return no('it carries a name or a password')
  if (url.hash !== '') return no('it has a fragment')
  if (policy.loopback && LOOPBACK.has(url.hostname) && /^https?:$/.test(url.protocol)) return { ok: true, url }
  if (url.protocol !== 'https:') return no('it is not https')
  if (!PORTS.has(url.port)) return no('its port is neither 443 nor 8443')
  const host = url.hostname.replace(/\.$/, '')
  if (host.startsWith('[') || /^[\d.]+$/.test(host)) return no('its host is an address, not a name')
  const labels = host.split('.')
  if (labels.length < 2 || labels.includes('')) return no('its host is not a full name')
  const isInside = labels.some((_, at) => INSIDE.has(labels.slice(at).join('.')))
  return isInside ? no('its host is not a public name') : { ok: true, url }
}

/** Calls a person's URL, checked again; a redirect is an answer like any other refused one, and never followed. */
export async function fetchOutside(text: string, init: RequestInit, policy: OutboundPolicy): Promise<Response> {
  const checked = checkUrl(text, policy)
  if (!checked.ok) throw new AppError('invalid_request', `This URL is not called: ${checked.reason}`)
  const response = await fetch(checked.url, { ...init, redirect: 'manual' })
  if (response.status < 300 || response.status >= 400) return response
  await response.body?.cancel()
  throw new AppError('unavailable', 'It answered with a redirect, which is not followed')
}
