import { z } from 'zod'

const rpId = z
  .string()
  .max(253)
  .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a domain')

/** The settings of passkeys, by name. */
export const PASSKEY_SETTINGS = {
  PASSKEY_RP_ID: rpId.optional(),
  PASSKEY_ORIGINS: z.string().max(2000).optional(),
}

const Settings = z.object(PASSKEY_SETTINGS)
type Settings = z.infer<typeof Settings>

/** The domain passkeys are made for, and the pages (or apps) they may be used on. */
export type PasskeyConfig = { rpId: string; origins: string[] }

const isWithin = (origin: string, rpId: string) => {
  const { hostname } = new URL(origin)
  return hostname === rpId || hostname.endsWith(`.${rpId}`)
}

/** Unless set: the host of `allowed`'s first, our own, and those of the allowed origins that lie in that domain. */
export function readPasskeys(source: Settings, allowed: string[]): PasskeyConfig {
  // WebAuthn knows no addresses, and takes localhost for this machine.
  const named = allowed.map((origin) => origin.replace(/^http:\/\/127\.0\.0\.1(?=:|$)/, 'http://localhost'))
  const rpId = source.PASSKEY_RP_ID ?? new URL(named[0] ?? '').hostname
  const given = source.PASSKEY_ORIGINS?.split(',').map((part) => part.trim())
  return { rpId, origins: given?.filter(Boolean) ?? named.filter((origin) => isWithin(origin, rpId)) }
}

/** What no browser would take: a page outside the domain. */
export function passkeyProblems({ rpId, origins }: PasskeyConfig): string[] {
  // An app is no page: android:apk-key-hash:...
  const outside = origins.filter(
    (origin) => !URL.canParse(origin) || (/^https?:/.test(origin) && !isWithin(origin, rpId)),
  )
  const problems = outside.map((origin) => `PASSKEY_ORIGINS: ${origin} is not within ${rpId}`)
  return origins.length > 0 ? problems : ['PASSKEY_ORIGINS: no page may use a passkey; set it, or PASSKEY_RP_ID']
}
