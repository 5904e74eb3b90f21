import { newEncryptionKey, newSecrets, newSigningKey, type Secrets } from './secrets.ts'

export const KINDS = { jwt: 'JWT_KEYS', encryption: 'ENCRYPTION_KEYS' } as const
export type Kind = keyof typeof KINDS
/** `add`: known everywhere before it is used; `promote`: used; `retire`: what is not used is forgotten. `rotate` adds and promotes. */
export const STEPS = ['add', 'promote', 'retire', 'rotate'] as const
export type Step = (typeof STEPS)[number]

const LIVE = 2

/** A new set of everything a deployment needs. */
export const newSet = (): Promise<Secrets> => newSecrets()

/** The set after one step with its keys of this kind: never more than two live, and the first is the one that is used. */
export async function changeSet(set: Secrets, kind: Kind, step: Step): Promise<Secrets> {
  const keys: object[] = JSON.parse(set[KINDS[kind]])
  const next = await changed(keys, step, kind === 'jwt' ? newSigningKey : newEncryptionKey)
  return { ...set, [KINDS[kind]]: JSON.stringify(next) }
}

/** The names of its keys of this kind, the used one first. */
export function keyNames(set: Secrets, kind: Kind): string[] {
  const keys: { kid?: string; id?: string }[] = JSON.parse(set[KINDS[kind]])
  return keys.map(({ kid, id }) => kid ?? id ?? '')
}

async function changed(keys: object[], step: Step, make: () => Promise<object> | object): Promise<object[]> {
  const [first, ...others] = keys
  if (first === undefined) throw new Error('there is no key to begin with')
  switch (step) {
    case 'add':
      if (others.length >= LIVE - 1) throw new Error('two keys are live already: promote or retire first')
      return [first, await make()]
    case 'promote': {
      const [last] = others.slice(-1)
      if (last === undefined) throw new Error('there is only one key: add one first')
      return [last, first]
    }
    case 'retire':
      if (others.length === 0) throw new Error('there is only one key: nothing to retire')
      return [first]
    case 'rotate':
      // What the other one sealed might be lost with it.
      if (others.length >= LIVE - 1)
        throw new Error('two keys are live already: retire the other first, once nothing needs it')
      return [await make(), first]
  }
}
