import type { Given, Name, Scene } from './lib-sign-in.ts'

/** Something an attacker does, and how it is refused. */
export type Case = { name: string; at?: Name; refused: RegExp; run(scene: Scene): Promise<string> }

export const GONE = /^410 gone$/
export const INVALID = /^400 invalid_request$/
export const NOT_TRUE = /^error=sign_in_refused$/
export const AWAY = /^error=provider_failed$/
export const NOBODY = /^403 identity_unknown$/
export const TAKEN = /^409 email_taken$/

export const tried = (name: string, refused: RegExp, given: Given): Case => ({
  name,
  ...(given.name && { at: given.name }),
  refused,
  run: ({ attempt }) => attempt(given),
})
