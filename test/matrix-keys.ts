import type { Answer, Person, World } from './world.ts'

export type MadeKey = { id: string; prefix: string; secret: string; version: number }
type Wanted = Partial<{
  scopes: readonly string[]
  ipAllow: string[]
  ratePerMinute: number
  budgetMicrosPerDay: number
  expiresAt: string
}>

/** A key of this person's, made as they would make it. */
export async function makeKey(person: Pick<Person, 'api'>, { scopes = ['tasks:read'], ...rest }: Wanted = {}) {
  const answer = await person.api('POST', '/v1/api-keys', { body: { name: 'a key', scopes, ...rest } })
  if (answer.status !== 201) throw new Error(`making a key answered ${answer.status}: ${answer.text}`)
  const made: MadeKey = JSON.parse(answer.text)
  return made
}

/** Makes the key run out behind the API. */
export async function expireKey(world: Pick<World, 'query'>, id: string): Promise<void> {
  await world.query("update api_keys set expires_at = now() - interval '1 second' where id = $1", [id])
}

export const codeOf = (answer: Answer) => `${answer.status} ${/"code":"(\w+)"/.exec(answer.text)?.[1] ?? ''}`.trim()
