import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { makePerson } from '#test/database'
import { startOauthFake } from '#test/oauth-fake'
import { startConnect } from './connect.ts'
import { addServer } from './servers.ts'

test('a server that is too busy to say who signs in to it is not one that nobody signs in to', async () => {
  const fake = await startOauthFake()
  try {
    const person = await makePerson({ config: readConfig({ ...inject('vars'), ALLOW_LOOPBACK_URLS: 'true' }) })
    const added = { name: 'weather', url: `${fake.remote.url}/mcp`, auth: { type: 'oauth' as const }, enabled: true }
    const { id } = await addServer(person, added)
    fake.ways.metadataUrl = `${fake.remote.url}/busy`
    const busy = { code: 'unavailable', message: expect.stringContaining('HTTP 429') }
    await expect(startConnect(person, id)).rejects.toMatchObject(busy)
    fake.ways.metadataUrl = `${fake.remote.url}/about-us`
    expect((await startConnect(person, id)).authorizationUrl).toContain(fake.url)
  } finally {
    fake.close()
  }
})
