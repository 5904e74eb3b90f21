import { generateKeyPairSync } from 'node:crypto'
import { makeId, type Person, type World } from './world.ts'

/** The answer of what must succeed. */
export const need = async (person: Person, method: string, path: string, body?: unknown) => {
  const answer = await person.api(method, path, { body })
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
  return answer.text === '' ? {} : JSON.parse(answer.text)
}

// Beside a password: the last way in cannot be discarded.
export async function makePasskey(world: World, person: Person, mark: string): Promise<string> {
  const id = makeId('psk')
  await world.query("insert into credentials (user_id, password_hash) values ($1, '') on conflict do nothing", [
    person.userId,
  ])
  await world.query(
    `insert into passkeys (id, user_id, credential_id, public_key, handle, counter, aaguid, backup_eligible, backed_up, name)
      values ($1, $2, $1, 'none', 'none', 0, 'none', false, false, $3)`,
    [id, person.userId, mark],
  )
  return id
}

export async function makeIdentity(world: World, person: Person, mark: string): Promise<string> {
  const id = makeId('idt')
  await world.query('delete from identities where user_id = $1', [person.userId])
  await world.query('insert into credentials (user_id, password_hash) values ($1, $2) on conflict do nothing', [
    person.userId,
    'none',
  ])
  await world.query(
    `insert into identities (id, user_id, provider, issuer, subject, email) values ($1, $2, 'google', 'x', $1, $3)`,
    [id, person.userId, mark],
  )
  return id
}

export async function makeReceipt(world: World): Promise<string> {
  const id = makeId('era')
  await world.query(
    `insert into erasure_receipts (id, subject_hash, receipt, erased_at) values ($1, 'hash', 'a.b.c', now())`,
    [id],
  )
  return id
}

// As the Workflow leaves it.
export async function makeExport(world: World, { userId }: Person): Promise<string> {
  const id = makeId('exp')
  await world.query(
    `insert into data_exports (id, user_id, state, size_bytes, lease_until, ready_at, expires_at)
      values ($1, $2, 'ready', 3, now(), now(), now() + interval '7 days')`,
    [id, userId],
  )
  const bucket = await world.worker.miniflare.getR2Bucket('FILES')
  await bucket.put(`exports/${userId}/${id}/archive.zip`, 'zip')
  return id
}

// No two alike: a public key is registered once.
export async function makeSigningKey(_: World, person: Person, mark: string): Promise<string> {
  const publicKey = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  return String((await need(person, 'POST', '/v1/signing-keys', { name: mark, publicKey })).id)
}
