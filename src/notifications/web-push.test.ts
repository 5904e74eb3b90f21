import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import { encrypt, readSubscriber } from './web-push.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'))
// RFC 8291, section 5 and appendix A.
const PLAIN = 'When I grow up, I want to be a watermelon'
const SENDER = {
  publicKey: 'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
  privateKey: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw',
}
const KEYS = {
  p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
}
const SALT = 'DGv6ra1nlYgDCS1FRnbzlw'
const MESSAGE =
  'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN'

async function senderPair(): Promise<CryptoKeyPair> {
  const point = bytes(SENDER.publicKey)
  const half = (from: number) => Buffer.from(point.slice(from, from + 32)).toString('base64url')
  const jwk = { kty: 'EC', crv: 'P-256', x: half(1), y: half(33) }
  const curve = { name: 'ECDH', namedCurve: 'P-256' }
  return {
    publicKey: await crypto.subtle.importKey('jwk', jwk, curve, true, []),
    privateKey: await crypto.subtle.importKey('jwk', { ...jwk, d: SENDER.privateKey }, curve, true, ['deriveBits']),
  }
}

test('a message is the one of RFC 8291, to the last octet', async () => {
  const made = await encrypt(new TextEncoder().encode(PLAIN), KEYS, { sender: await senderPair(), salt: bytes(SALT) })
  expect(Buffer.from(made).toString('base64url')).toBe(MESSAGE)
})

test('no two messages are alike, and each is longer by 103 octets than what is in it', async () => {
  const plain = new TextEncoder().encode(PLAIN)
  const [a, b] = [await encrypt(plain, KEYS), await encrypt(plain, KEYS)]
  expect(Buffer.from(a).equals(Buffer.from(b))).toBe(false)
  expect([a.length, b.length]).toEqual([plain.length + 103, plain.length + 103])
})

test('a key that is no point of the curve is none', async () => {
  expect(await readSubscriber(KEYS)).toBeDefined()
  const off = bytes(KEYS.p256dh)
  off[64] = (off[64] ?? 0) ^ 1
  expect(await readSubscriber({ p256dh: Buffer.from(off).toString('base64url') })).toBeUndefined()
  await expect(encrypt(new Uint8Array(1), { ...KEYS, p256dh: 'AAAA' })).rejects.toThrow('no point')
})
