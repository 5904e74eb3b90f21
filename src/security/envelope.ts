import { Buffer } from 'node:buffer'

/** A key that wraps other keys: 32 bytes as base64. The first of a list seals, all of them open. */
export type EncryptionKey = { id: string; key: string }

/** Where a sealed text belongs: moved to any other place, it does not open. */
export type Place = { table: string; column: string; rowId: string; userId: string }

const FORM = 'v1'
const AES = { name: 'AES-GCM', length: 256 } as const
const IV_BYTES = 12

const encode = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(new Uint8Array(bytes)).toString('base64url')
const decode = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'))

function bound({ table, column, rowId, userId }: Place, kek: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode([table, column, rowId, userId, `${FORM}.${kek}`].join('|')))
}

function wrappingKey({ key }: EncryptionKey): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', new Uint8Array(Buffer.from(key, 'base64')), 'AES-KW', false, [
    'wrapKey',
    'unwrapKey',
  ])
}

async function newDataKey(): Promise<CryptoKey> {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return await crypto.subtle.importKey('raw', bytes, AES, true, ['encrypt'])
}

/** Encrypts under a key of its own, wrapped by the current one: `v1.<key id>.<wrapped>.<iv>.<text>`. */
export async function seal(keys: EncryptionKey[], place: Place, plain: string): Promise<string> {
  const [current] = keys
  if (!current) throw new Error('there is no key to encrypt with')
  const dataKey = await newDataKey()
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const algorithm = { name: 'AES-GCM', iv, additionalData: bound(place, current.id) }
  const text = await crypto.subtle.encrypt(algorithm, dataKey, new TextEncoder().encode(plain))
  const wrapped = await crypto.subtle.wrapKey('raw', dataKey, await wrappingKey(current), 'AES-KW')
  return [FORM, current.id, encode(wrapped), encode(iv), encode(text)].join('.')
}

/** What was sealed for this place, by any of the keys. Throws for every other text: none is ever taken for empty. */
export async function unseal(keys: EncryptionKey[], place: Place, sealed: string): Promise<string> {
  const [form, id = '', wrapped = '', iv = '', text = '', ...more] = sealed.split('.')
  if (form !== FORM || more.length > 0) throw new Error(`${place.table}.${place.column} is not a sealed text`)
  const key = keys.find((known) => known.id === id)
  if (!key) throw new Error(`${place.table}.${place.column} was sealed with the key ${id}, which is not configured`)
  try {
    const kek = await wrappingKey(key)
    const dataKey = await crypto.subtle.unwrapKey('raw', decode(wrapped), kek, 'AES-KW', AES, false, ['decrypt'])
    const algorithm = { name: 'AES-GCM', iv: decode(iv), additionalData: bound(place, id) }
    return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, dataKey, decode(text)))
  } catch (cause) {
    throw new Error(`${place.table}.${place.column} does not open: it was changed, or moved here`, { cause })
  }
}
