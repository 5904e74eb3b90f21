import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { makePerson, type Person, revoke } from '#test/database'
import { REMOTE_SECRET, type RemoteServer, startRemote } from '#test/mcp-remote'
import { addServer, checkServer, removeServer, serversForTurn, updateServer } from './servers.ts'
import { mcpServers } from './tables.ts'
import { remoteTools } from './tools.ts'

let remote: RemoteServer
beforeAll(async () => {
  remote = await startRemote()
})
afterAll(() => remote.close())

type End = (person: Person, id: string) => Promise<unknown>
const ENDS: [string, End][] = [
  ['the session that asked has ended', revoke],
  ['the server was removed', removeServer],
  ['the server was switched off', (person, id) => updateServer(person, id, { enabled: false }, '*')],
]

test.each(ENDS)('in a turn that runs nobody is called any more once %s', async (_why, end) => {
  const person = await makePerson({ config: readConfig({ ...inject('vars'), ALLOW_LOOPBACK_URLS: 'true' }) })
  const auth = { type: 'header' as const, name: 'Authorization', value: REMOTE_SECRET }
  const { id } = await addServer(person, { name: 'weather', url: `${remote.url}/mcp`, auth, enabled: true })
  await checkServer(person, id)
  const tool = remoteTools(await serversForTurn(person)).find(({ name }) => name === 'weather__forecast')
  expect((await tool?.run(person, { city: 'Bern' }))?.output).toMatchObject({ text: 'Sunny in Bern' })
  await end(person, id)
  const asked = remote.requests.length
  await expect(tool?.run(person, { city: 'Bern' })).rejects.toThrow()
  expect(remote.requests).toHaveLength(asked)
})

test('a person has a hundred servers at most', async () => {
  const person = await makePerson()
  const url = 'https://mcp.example.com/mcp'
  const rows = Array.from({ length: 99 }, (_, index) => {
    return {
      id: `mcp_${String(index).padStart(26, '0')}${person.actor.userId}`,
      userId: person.actor.userId,
      name: 'w',
      url,
    }
  })
  await person.db.insert(mcpServers).values(rows)
  const add = () => addServer(person, { name: 'w', url, auth: { type: 'none' }, enabled: true })
  await add()
  await expect(add()).rejects.toMatchObject({ code: 'conflict', message: /100 servers/ })
})

test('a server is trusted by its person and never by a key, and a new address is not', async () => {
  const person = await makePerson()
  const url = 'https://mcp.example.com/mcp'
  const auth = { type: 'none' as const }
  const key = { id: 'key_1', scopes: ['integrations:write'], ratePerMinute: null }
  const byKey = { ...person, actor: { ...person.actor, key } }
  const made = { name: 'w', url, auth, enabled: true }
  const { id, trusted } = await addServer(person, made)
  expect(trusted).toBe(false)
  expect(await updateServer(person, id, { trusted: true }, '*')).toMatchObject({ trusted: true, version: 2 })
  expect(await updateServer(person, id, { name: 'v' }, '*')).toMatchObject({ trusted: true })
  await expect(addServer(byKey, { ...made, trusted: true })).rejects.toMatchObject({ code: 'forbidden' })
  await expect(updateServer(byKey, id, { trusted: true }, '*')).rejects.toMatchObject({ code: 'forbidden' })
  // With other access or switched on again by a key it is another; by its person it is not.
  const trusting = () => updateServer(person, id, { trusted: true }, '*')
  for (const patch of [{ auth }, { enabled: true }]) {
    expect(await updateServer(person, id, patch, '*')).toMatchObject({ trusted: true })
    expect(await updateServer(byKey, id, patch, '*')).toMatchObject({ trusted: false })
    expect(await trusting()).toMatchObject({ trusted: true })
  }
  for (const patch of [{ enabled: false }, { name: 'w' }])
    expect(await updateServer(byKey, id, patch, '*')).toMatchObject({ trusted: true })
  const moved = await updateServer(person, id, { url: `${url}/v2`, auth }, '*')
  expect(moved).toMatchObject({ trusted: false })
})
