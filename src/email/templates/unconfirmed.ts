import { type Block, paragraph } from '../component.ts'

const WHY = 'Nobody has confirmed this address yet, so somebody else may have begun the account.'
const WHAT =
  'Using the link removes what opened it so far (the password, passkeys, authenticator app, linked accounts, API keys, sessions), with its webhooks, connected servers and devices, and switches workflows and schedules off.'
const INSTEAD = 'To keep them, confirm the address first: its mail comes when you ask for it in the app, signed in.'

/** What whoever uses a link is to know before, where nobody has confirmed the address. */
export function unconfirmed(is = false): Block[] {
  return is ? [paragraph(`${WHY} ${WHAT} ${INSTEAD}`)] : []
}
