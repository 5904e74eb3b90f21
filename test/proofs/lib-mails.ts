import { setTimeout as wait } from 'node:timers/promises'
import type { Person } from '../world.ts'
import type { Owner, Report, Seen, Told } from './lib-effects.ts'
import { jobsOf } from './lib-jobs.ts'
import { need } from './lib-kinds.ts'

const LOOK_AGAIN_MS = 50
const MAILED_WITHIN_MS = 30_000
const POSTED_WITHIN_MS = 10_000

// What its row says went out lies in the mailbox once; of what nobody knows, once at most.
export async function auditMail(world: Seen, person: Owner, _: Told[], report: Report): Promise<void> {
  const deadline = performance.now() + MAILED_WITHIN_MS
  const read = () => world.query('select id, status from email_messages where user_id = $1', [person.userId])
  const isOnItsWay = ({ status }: Record<string, unknown>) => status === 'queued' || status === 'sending'
  let rows = await read()
  while (rows.some(isOnItsWay) && performance.now() < deadline) {
    await wait(LOOK_AGAIN_MS)
    rows = await read()
  }
  const asked = (await jobsOf(world, person.userId)).filter(({ kind }) => kind === 'send_mail').length
  if (asked !== rows.length) report(`${rows.length} mails wait to be sent by ${asked} jobs`)
  for (const { id, status } of rows) {
    const times = world.mailbox.messages().filter((mail) => mail.id === id).length
    const isRight = status === 'sent' ? times === 1 : status === 'maybe_sent' && times <= 1
    if (!isRight) report(`${id} is "${status}" and arrived ${times} times`)
  }
}

export const hooksOf = (world: Seen, { userId }: Owner) =>
  world.query('select id from webhook_endpoints where user_id = $1', [userId])

// Every event that a socket may hear is written down for each endpoint once, and goes out once.
export async function auditWebhooks(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  for (const { id } of await hooksOf(world, person)) {
    const deadline = performance.now() + POSTED_WITHIN_MS
    let rows = await deliveriesOf(world, id)
    while (rows.some(({ status }) => status === 'pending') && performance.now() < deadline) {
      await wait(LOOK_AGAIN_MS)
      rows = await deliveriesOf(world, id)
    }
    for (const { id: eventId, room } of told) {
      const found = rows.filter(({ event_id }) => event_id === eventId)
      if (found.length !== (room === null ? 0 : 1)) report(`${eventId} waits ${found.length} times for a webhook`)
      for (const { status, attempts } of found)
        if (status !== 'delivered' || attempts !== 1) report(`the webhook of ${eventId} is ${status} after ${attempts}`)
    }
  }
}

const deliveriesOf = (world: Seen, id: unknown) =>
  world.query('select event_id, status, attempts from webhook_deliveries where endpoint_id = $1', [id])

// Each change of the account is written of once, and nothing else is.
export async function auditAccountMail(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  const written = {
    account_changed: /^(?:password\.changed|address\.changed|account\.reclaimed|signing_key\.added)$/,
    key_created: /^key\.created$/,
  }
  for (const [kind, wanted] of Object.entries(written)) {
    const asked = 'select 1 from email_messages where user_id = $1 and kind = $2'
    const rows = await world.query(asked, [person.userId, kind])
    const changes = told.filter(({ type }) => wanted.test(type)).length
    if (rows.length !== changes)
      report(`${changes} changes of the account were written of ${rows.length} times (${kind})`)
  }
}

const LONG_AGO = '2000-01-01'

/** Of who comes in where somebody else was before, as the statement that lets them in tells it: in this session that would end it. */
export async function reclaim(world: Seen, person: Person): Promise<void> {
  const url = 'https://mcp.aurelius.invalid/'
  const { id } = await need(person, 'POST', '/v1/mcp/servers', { name: 'left', url, auth: { type: 'none' } })
  await world.query('update mcp_servers set created_at = $2 where id = $1', [id, LONG_AGO])
  await world.query(
    `insert into outbox (id, type, user_id, room, key, version, data)
      values ($1 || '.0.account.reclaimed', 'account.reclaimed', $1, null, $1, 0, $2)`,
    [person.userId, JSON.stringify({ until: `${LONG_AGO}T12:00:00Z` })],
  )
}

// What was there until then is gone, and the rest is counted by everybody else.
export async function auditReclaimed(world: Seen, person: Owner, _: Told[], report: Report): Promise<void> {
  const asked = 'select id from mcp_servers where user_id = $1 and created_at = $2'
  const left = await world.query(asked, [person.userId, LONG_AGO])
  if (left.length > 0) report(`${left.length} servers of who was there before are left`)
}
