import { DurableObject } from 'cloudflare:workers'

type Vars = { DATABASE_FETCH_ENDPOINT: string; DATABASE_URL: string; BARE: DurableObjectNamespace<Bare> }

/** Timers as the platform has them: rows and one alarm, which asks Postgres as often as ours does. */
export class Bare extends DurableObject<Vars> {
  constructor(ctx: DurableObjectState, env: Vars) {
    super(ctx, env)
    ctx.storage.sql.exec('create table if not exists timers (name text primary key, due_ms integer not null)')
  }

  async arm(timers: { name: string; dueMs: number }[]): Promise<void> {
    const { sql } = this.ctx.storage
    for (const { name, dueMs } of timers) sql.exec('insert into timers values (?, ?)', name, dueMs)
    await this.#keep()
  }

  override async alarm(): Promise<void> {
    const { sql } = this.ctx.storage
    const due = sql.exec<{ name: string; due_ms: number }>(
      'delete from timers where due_ms <= ? returning name, due_ms',
      Date.now(),
    )
    for (const { name, due_ms } of due.toArray()) {
      await this.#query('select $1::text', [name])
      await this.#query('insert into fired (name, due_ms, fired_at) values ($1, $2, clock_timestamp())', [name, due_ms])
    }
    await this.#keep()
  }

  async #keep(): Promise<void> {
    const { due } = this.ctx.storage.sql.exec<{ due: number | null }>('select min(due_ms) as due from timers').one()
    if (due !== null) await this.ctx.storage.setAlarm(due)
  }

  async #query(query: string, params: unknown[]): Promise<void> {
    const headers = { 'neon-connection-string': this.env.DATABASE_URL, 'content-type': 'application/json' }
    const body = JSON.stringify({ query, params })
    const answer = await fetch(this.env.DATABASE_FETCH_ENDPOINT, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(await answer.text())
    await answer.text()
  }
}

type Armed = { name: string; timers: { name: string; dueMs: number }[] }

export default {
  async fetch(request: Request, env: Vars): Promise<Response> {
    const { name, timers }: Armed = await request.json()
    await env.BARE.getByName(name).arm(timers)
    return new Response('armed')
  },
}
