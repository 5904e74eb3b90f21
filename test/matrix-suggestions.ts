import { makeId, type Person, type World } from './world.ts'

const WHY = { facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null }

// As another room would have offered it, before anybody judged it.
async function make(world: World, { userId }: Person, mark: string): Promise<string> {
  const id = makeId('sug')
  await world.query(
    `insert into suggestions (id, user_id, key, kind, title, body, actions, alternatives, why, source, confidence, rank,
        priority, tainted, status, fingerprint, moment, expires_at, proposed_at)
      values ($1, $2, $1, 'overdue_triage', $3, '', '[]', '[]', $4::jsonb, '{"kind":"system"}', 0.5, 0.5, 'routine', false,
        'proposed', $1, 'morning/weekday', now() + interval '1 day', now())`,
    [id, userId, mark, JSON.stringify({ ...WHY, trigger: mark })],
  )
  return id
}

async function withhold(world: World, _: Person, id: string): Promise<void> {
  await world.query(`update suggestions set status = 'withheld', reason = 'cooldown' where id = $1`, [id])
}

async function carriedOut(world: World, person: Person, id: string): Promise<void> {
  const body = { kind: 'create_task', input: { title: 'suggested' } }
  const effect = JSON.parse((await person.api('POST', '/v1/effects', { body })).text)
  await world.query(`update suggestions set status = 'done', effect_ids = jsonb_build_array($2::text) where id = $1`, [
    id,
    effect.id,
  ])
}

export const SUGGESTION = {
  prefix: 'sug',
  make,
  before: { releaseSuggestion: withhold, undoSuggestion: carriedOut },
}

async function promise(world: World, { userId }: Person, mark: string): Promise<string> {
  const id = makeId('cmt')
  await world.query(
    `insert into commitments (id, user_id, source, source_id, quote, what) values ($1, $2, 'message', $1, $3, $3)`,
    [id, userId, mark],
  )
  return id
}

export const COMMITMENT = { prefix: 'cmt', make: promise }
