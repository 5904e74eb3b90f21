import { expect, test } from 'vitest'
import type { UserCtx } from '#core'
import { personOnServer } from '#test/server'
import { newSigner } from '#test/signing'
import { asSigned } from './check.ts'
import { addSigningKey, listSigningKeys, pruneNonces, readPolicy, removeSigningKey, setPolicy } from './signing-keys.ts'

const ROUNDS = 20
const COPIES = 100

const freshly = <P extends UserCtx>(person: P) => ({ ...person, actor: { ...person.actor, authAtMs: Date.now() } })

async function add(person: Parameters<typeof addSigningKey>[0]) {
  const signer = newSigner('ed25519')
  const publicKey = signer.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  return { signer, id: (await addSigningKey(person, { name: 'x', publicKey })).id }
}
const codes = (results: PromiseSettledResult<unknown>[]) =>
  results.map((result) => (result.status === 'fulfilled' ? 'done' : result.reason.code)).sort()

test('on a server, of many copies at once one is taken, and none later', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const person = freshly(server.person)
    const { signer, id } = await add(person)
    const url = `${person.config.publicUrl}/v1/me`
    const headers = new Headers(await signer.sign(id, { method: 'DELETE', url }))
    const one = { method: 'DELETE', url, headers }
    const copies = Array.from({ length: COPIES }, () => asSigned(person, 'DELETE /v1/me', one, ''))
    const answers = codes(await Promise.allSettled(copies))
    expect(answers.filter((code) => code === 'done')).toHaveLength(1)
    expect(answers.filter((code) => code === 'invalid_signature')).toHaveLength(COPIES - 1)
    await pruneNonces(person)
    await expect(asSigned(person, 'DELETE /v1/me', one, '')).rejects.toMatchObject({ code: 'invalid_signature' })
  } finally {
    await server.close()
  }
})

test('on a server, whoever demands signatures is left a key, whatever is removed and demanded at once', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const person = freshly(server.person)
    for (let round = 0; round < ROUNDS; round++) {
      const [one, two] = [await add(person), await add(person)]
      await setPolicy(person, { demand: true })
      const removed = await Promise.allSettled([removeSigningKey(person, one.id), removeSigningKey(person, two.id)])
      expect(codes(removed)).toEqual(['conflict', 'done'])
      expect(await readPolicy(person)).toEqual({ demand: true })
      await setPolicy(person, { demand: false })
      const [left] = (await listSigningKeys(person, { limit: 5 })).items
      const both = await Promise.allSettled([
        setPolicy(person, { demand: true }),
        removeSigningKey(person, left?.id ?? ''),
      ])
      expect(codes(both)).toEqual(['conflict', 'done'])
      const { items } = await listSigningKeys(person, { limit: 5 })
      expect(await readPolicy(person)).toEqual({ demand: items.length > 0 })
      await setPolicy(person, { demand: false })
      for (const { id } of items) await removeSigningKey(person, id)
    }
  } finally {
    await server.close()
  }
})
