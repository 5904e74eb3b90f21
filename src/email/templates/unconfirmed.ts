import { type Block, paragraph } from '../component.ts'

/** What whoever uses a link is to know before, where nobody has confirmed the address. */
export function unconfirmed(is = false): Block[] {
  const why = 'Nobody has confirmed this address yet, so somebody else may have begun the account.'
  const what =
    'passkeys, authenticator app, linked accounts, API keys and sessions; workflows and schedules are switched off'
  const instead = 'To keep them, confirm the address first: its mail comes when you ask for it in the app, signed in.'
  return is ? [paragraph(`${why} Using the link removes what opened it so far: ${what}. ${instead}`)] : []
}
