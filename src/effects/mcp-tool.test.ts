import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { addServer, checkServer } from '#integrations'
import { makePerson } from '#test/database'
import { REMOTE_SECRET, type RemoteServer, startRemote } from '#test/mcp-remote'
import { realEffects, undoEffect } from './index.ts'
import { effects } from './tables.ts'

let remote: RemoteServer
beforeAll(async () => {
  remote = await startRemote()
})
afterAll(() => remote.close())

async function withServer() {
  const person = await makePerson({ config: readConfig({ ...inject('vars'), ALLOW_LOOPBACK_URLS: 'true' }) })
  const auth = { type: 'header' as const, name: 'Authorization', value: REMOTE_SECRET }
  const { id } = await addServer(person, { name: 'weather', url: `${remote.url}/mcp`, auth, enabled: true })
  await checkServer(person, id)
  return { person, id }
}
const effect = (input: object, over: object = {}) => ({
  ...{ kind: 'mcp_tool', input, key: 'k1', origin: { kind: 'api' as const }, tainted: false, isAgreed: true, ...over },
})
const wipe = (serverId: string) => ({ serverId, tool: 'stations.wipe', arguments: { city: 'Oslo' } })

test('a tool of a server is called once for each key, what it answered is the evidence, and nothing takes it back', async () => {
  const { person, id } = await withServer()
  const before = remote.calls.length
  const first = await realEffects(person).perform(effect(wipe(id)))
  expect(first).toMatchObject({
    status: 'done',
    says: `Call stations.wipe of weather ${id}`,
    output: { result: { gone: 3 } },
    evidence: { id: expect.stringMatching(/^[\w-]{32}$/), provider: new URL(remote.url).host },
  })
  expect(await realEffects(person).perform(effect(wipe(id)))).toEqual(first)
  expect(remote.calls.slice(before)).toEqual([{ tool: 'stations.wipe', input: { city: 'Oslo' } }])
  expect(await undoEffect(person, first.effectId ?? '')).toMatchObject({ status: 'irreversible' })
})

test('whoever called it and died leaves it unknown: it is not called again', async () => {
  const { person, id } = await withServer()
  const { effectId } = await realEffects(person).perform(effect(wipe(id)))
  const lost = { status: 'intended' as const, leaseUntil: new Date(0), doneAt: null }
  await person.db
    .update(effects)
    .set(lost)
    .where(eq(effects.id, effectId ?? ''))
  const before = remote.calls.length
  expect(await realEffects(person).perform(effect(wipe(id)))).toMatchObject({ status: 'unknown', isRetryable: false })
  expect(remote.calls).toHaveLength(before)
})

test('what was sent and not answered is unknown, what was refused or never sent is failed', async () => {
  const { person, id } = await withServer()
  const call = (tool: string, given: object, key: string) =>
    realEffects(person).perform(effect({ serverId: id, tool, arguments: given }, { key }))
  expect(await call('too_much', {}, 'a')).toMatchObject({ status: 'unknown', code: 'timeout' })
  expect(await call('fail', {}, 'b')).toMatchObject({ status: 'failed', code: 'invalid_request' })
  expect(await call('forecast', {}, 'c')).toMatchObject({ status: 'failed', code: 'invalid_request' })
  expect(await call('elsewhere', {}, 'd')).toMatchObject({ status: 'failed', code: 'not_found' })
})

test('a tool that its server calls read-only asks for a tap like any other, where others were read', async () => {
  const { person, id } = await withServer()
  const before = remote.calls.length
  const read = { serverId: id, tool: 'forecast', arguments: { city: 'all that was remembered' } }
  const asked = effect(read, { tainted: true, isAgreed: false })
  expect(await realEffects(person).perform(asked)).toMatchObject({ status: 'refused', code: 'confirmation_required' })
  expect(remote.calls).toHaveLength(before)
})
