import { DurableObject } from 'cloudflare:workers'

/** One person's sockets, event log, presence and live turns. */
export class UserSession extends DurableObject<Env> {
  ping(): 'ok' {
    return 'ok'
  }
}
