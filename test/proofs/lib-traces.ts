import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { type Answer, type Person, tokenHash, type World } from '../world.ts'
import { eachOf } from './all.ts'
import type { Report } from './lib-effects.ts'
import { receiptOf } from './lib-erasure.ts'

/** The tables in any of whose columns this text is found. */
export async function tablesWith(world: World, text: string): Promise<string[]> {
  const tables = await world.query(
    `select table_name as name from information_schema.tables where table_schema = 'public' order by 1`,
  )
  const looks = tables.map(
    ({ name }) => `select '${name}' as name where exists (
    select 1 from "${name}" t where strpos(t::text, $1) > 0)`,
  )
  return (await world.query(looks.join(' union all '), [text])).map(({ name }) => String(name))
}

export async function keysWith(world: World, text: string): Promise<string[]> {
  const { objects } = await (await world.worker.miniflare.getR2Bucket('FILES')).list()
  return objects.map(({ key }) => key).filter((key) => key.includes(text))
}

// Behind the API: Miniflare does not know the methods of an object.
type Held = { getByName(name: string): { held(): Promise<number> } }

type Runs = { get(id: string): Promise<unknown> }

/** Which of these the platform still knows. */
export async function rememberedOf(world: World, ids: string[]): Promise<string[]> {
  const { TASA_RUN: runs } = await world.worker.miniflare.getBindings<{ TASA_RUN: Runs }>()
  const known = await eachOf(ids, 4, (id) =>
    runs.get(id).then(
      () => [id],
      () => [],
    ),
  )
  return known.flat()
}

type Erased = { person: Person; step: string; receiptId: string; traces: string[]; instances: string[] }

/** Whatever is left of who was erased. */
export async function auditErased(
  world: World,
  { person, traces, instances, receiptId, step }: Erased,
  report: Report,
): Promise<void> {
  for (const id of await rememberedOf(world, instances)) report(`the run ${id} is remembered, after ${step}`)
  for (const trace of traces)
    for (const table of await tablesWith(world, trace)) report(`${trace} is left in ${table}, after ${step}`)
  for (const key of await keysWith(world, person.userId)) report(`${key} is left, after ${step}`)
  for (const binding of ['USER_SESSION', 'STEWARD']) {
    const objects = (await world.worker.miniflare.getDurableObjectNamespace(binding)) as unknown as Held
    const held = await objects.getByName(person.userId).held()
    if (held > 0) report(`${held} are left in ${binding}, after ${step}`)
  }
  const seen: Answer = await person.api('GET', '/v1/me')
  if (seen.status !== 401) report(`who was erased is answered ${seen.status}`)
  await auditReceipt(world, person, receiptId, report)
}

async function auditReceipt(world: World, { userId }: Person, receiptId: string, report: Report): Promise<void> {
  const receipt = await receiptOf(world, receiptId, 1000)
  if (receipt === undefined) return report('there is no receipt')
  const jwks: JSONWebKeySet = JSON.parse((await world.call('GET', '/.well-known/jwks.json')).text)
  const { payload } = await jwtVerify(receipt, createLocalJWKSet(jwks), { typ: 'erasure-receipt+jwt' })
  if (payload['subject_hash'] !== tokenHash(userId)) report('a receipt is of somebody else')
  if (JSON.stringify(payload).includes(userId)) report('a receipt names who was erased')
  const stores = Object.entries(payload['stores'] ?? {})
  for (const [store, held] of stores)
    if (held === 0 && store !== 'grants') report(`a receipt says that nothing was in ${store}`)
}
