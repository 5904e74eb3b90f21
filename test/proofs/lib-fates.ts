import { setTimeout as wait } from 'node:timers/promises'
import { makeId, type Person, type World } from '../world.ts'
import { need } from './lib-kinds.ts'

const WITHIN_MS = 15_000
const LOOK_AGAIN_MS = 50

/** What becomes of a call is told once it was posted; of a letter as its sender writes it. */
export async function tryOutward(world: Pick<World, 'query'>, person: Person): Promise<void> {
  const [hook] = await world.query('select id from webhook_endpoints where user_id = $1', [person.userId])
  await need(person, 'POST', '/v1/effects', { kind: 'call_webhook', input: { webhookId: hook?.id } })
  const told = "select id from outbox where user_id = $1 and type = 'webhook.settled'"
  const deadline = performance.now() + WITHIN_MS
  while ((await world.query(told, [person.userId])).length === 0 && performance.now() < deadline)
    await wait(LOOK_AGAIN_MS)
  await world.query(
    `insert into outbox (id, type, user_id, room, key, version, data)
      values ($1 || '.1.letter.settled', 'letter.settled', $2, 'mail', $1, 1, json_build_object('id', $1::text, 'status', 'sent'))`,
    [makeId('eml'), person.userId],
  )
}

/** What was handed on ends as whoever took it said. */
export async function auditFates(
  world: Pick<World, 'query'>,
  { userId }: Pick<Person, 'userId'>,
  report: (violation: string) => void,
): Promise<void> {
  const read = () =>
    world.query(
      `select e.id, e.status, d.status as fate from effects e join webhook_deliveries d on d.id = e.output->>'id'
        where e.user_id = $1 and e.kind = 'call_webhook'`,
      [userId],
    )
  const deadline = performance.now() + WITHIN_MS
  let rows = await read()
  while (rows.some(({ status }) => status === 'sending') && performance.now() < deadline) {
    await wait(LOOK_AGAIN_MS)
    rows = await read()
  }
  for (const { id, status, fate } of rows)
    if (status !== 'done' || fate !== 'delivered') report(`${id} is ${status}, and what it handed on is ${fate}`)
}
