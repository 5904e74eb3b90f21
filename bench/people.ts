import { importJWK, SignJWT } from 'jose'
import { makeId, makeRefreshToken, tokenHash } from '#test/world'
import type { Postgres } from '../local/postgres.ts'
import type { Person } from './operations.ts'

const TASKS = 300
const TOKEN_S = 3600
const INSERT_BATCH = 5000

type Signing = { JWT_KEYS: string; PUBLIC_URL: string }

/** People with a session, a conversation, tasks, and `open` more tasks that nobody has completed. */
export async function insertPeople(pg: Postgres, vars: Signing, count: number, open: number): Promise<Person[]> {
  const people = await Promise.all(Array.from({ length: count }, () => makePerson(vars, open)))
  const rows = people.map(({ refreshToken, ...person }) => ({
    ...person,
    tokenId: makeId('rft'),
    hash: tokenHash(refreshToken),
  }))
  const from = `from json_to_recordset($1::json) as r("userId" text, "sessionId" text, "tokenId" text, hash text, "conversationId" text)`
  const params = [JSON.stringify(rows)]
  await pg.batch([
    {
      query: `insert into users (id, email, display_name) select "userId", "userId" || '@example.com', 'Sam' ${from}`,
      params,
    },
    {
      query: `insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
        select "sessionId", "userId", 'bench', 'bench', '192.0.2.1', now() + interval '1 day' ${from}`,
      params,
    },
    {
      query: `insert into refresh_tokens (id, session_id, hash, generation) select "tokenId", "sessionId", hash, 1 ${from}`,
      params,
    },
    {
      query: `insert into conversations (id, user_id, title) select "conversationId", "userId", 'Today' ${from}`,
      params,
    },
  ])
  const tasks = people.flatMap(({ userId, taskIds, openIds }) => [...taskIds, ...openIds].map((id) => ({ id, userId })))
  for (let at = 0; at < tasks.length; at += INSERT_BATCH) await insertTasks(pg, tasks.slice(at, at + INSERT_BATCH))
  return people
}

async function makePerson(vars: Signing, open: number): Promise<Person> {
  const [userId, sessionId] = [makeId('usr'), makeId('ses')]
  const [jwk] = JSON.parse(vars.JWT_KEYS)
  const accessToken = await new SignJWT({ sid: sessionId })
    .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid, typ: 'at+jwt' })
    .setIssuer(vars.PUBLIC_URL)
    .setAudience(vars.PUBLIC_URL)
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_S} s`)
    .sign(await importJWK(jwk, 'EdDSA'))
  return {
    userId,
    sessionId,
    accessToken,
    refreshToken: makeRefreshToken(),
    conversationId: makeId('cnv'),
    taskIds: Array.from({ length: TASKS }, () => makeId('task')),
    openIds: Array.from({ length: open }, () => makeId('task')),
  }
}

// Made over the last days, half of them due in the next weeks; what told of them was heard and is still kept.
async function insertTasks(pg: Postgres, tasks: { id: string; userId: string }[]): Promise<void> {
  await pg.query(
    `insert into tasks (id, user_id, title, notes, priority, labels, position, due_date, due_zone, due_at, created_at)
      select id, "userId", 'Task ' || n, 'Something to think about, number ' || n, 'medium', '{home,calls}', n,
        case when n % 2 = 0 then current_date + (n % 30)::int end, case when n % 2 = 0 then 'UTC' end,
        case when n % 2 = 0 then now() + n % 30 * interval '1 day' end, now() - n * interval '1 minute'
      from (select *, row_number() over () as n
        from json_to_recordset($1::json) as r(id text, "userId" text)) r`,
    [JSON.stringify(tasks)],
  )
  const events = 'select * from jsonb_to_recordset($1::jsonb) as r(id text, "userId" text)'
  await pg.query(
    `with events as (${events}), heard as (
        insert into inbox (consumer, message_id) select c, id || '.1.task.created' from events, (values ('realtime'), ('reminders')) v(c))
      insert into outbox (id, type, user_id, room, key, version, data, dispatched_at)
      select e.id || '.1.task.created', 'task.created', e."userId", 'tasks', e.id, 1, to_jsonb(t), now()
      from events e join tasks t using (id)`,
    [JSON.stringify(tasks)],
  )
}

/** Opens again what a round completed, so that each round finds the same work. */
export async function reopenTasks(pg: Postgres, people: Person[]): Promise<void> {
  await pg.query(
    `update tasks set status = 'pending', completed_at = null
      where user_id = any($1::text[]) and status = 'completed'`,
    [people.map(({ userId }) => userId)],
  )
}
