import type { Ctx } from '#core'

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])

function parse(text: string): URL | undefined {
  if (/[^\x21-\x7e]|[\\*]/.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const isBare = url.username === '' && url.password === '' && !text.includes('#')
  return isBare && (url.protocol === 'https:' || isLoopback(url)) ? url : undefined
}

const isLoopback = (url: URL) => url.protocol === 'http:' && LOOPBACK.has(url.hostname)

/** Whether a browser may be sent there with a code: by https, or to an app on the person's own machine (RFC 8252). */
export function isRedirectUri(text: string): boolean {
  return parse(text) !== undefined
}

/** Whether this is one of them: letter for letter, but for the port of an app on the person's own machine. */
export function isOneOf(registered: readonly string[], asked: string): boolean {
  const url = parse(asked)
  if (!url) return false
  return registered.some((text) => text === asked || (isLoopback(url) && portless(text) === portless(asked)))
}

function portless(text: string): string | undefined {
  const url = parse(text)
  if (!url || !isLoopback(url)) return undefined
  url.port = ''
  return url.href
}

type Told = { code: string } | { error: string; error_description: string }
/** Where an app waits for an answer, and by what it knows it. */
export type Waiting = { redirectUri: string; state: string | null }

/** The address that tells the app, with who says it (RFC 9207). */
export function answerTo({ publicUrl }: Ctx['config'], { redirectUri, state }: Waiting, told: Told): string {
  const url = new URL(redirectUri)
  const all = { ...told, ...(state !== null && { state }), iss: publicUrl }
  for (const [name, value] of Object.entries(all)) url.searchParams.append(name, value)
  return url.href
}

/** Where it is, to be shown to a person. */
export function placeOf(redirectUri: string): string {
  const url = new URL(redirectUri)
  return isLoopback(url) ? `an app on this computer (${url.host})` : url.host
}
