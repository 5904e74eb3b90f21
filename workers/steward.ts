import { DurableObject } from 'cloudflare:workers'

/** One person's timers, budgets and attention. */
export class Steward extends DurableObject<Env> {
  ping(): 'ok' {
    return 'ok'
  }
}
