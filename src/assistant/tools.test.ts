import { expect, test } from 'vitest'
import type { ServerRow } from '#integrations'
import { makePerson } from '#test/database'
import { toolsWithoutAsking } from './tools.ts'

test('servers that are not trusted hide no tool of one that is, and leave it its name', async () => {
  const { actor } = await makePerson()
  const tokens = { accessToken: null, refreshToken: null, tokenExpiresAt: null, tokenVersion: 1 }
  const access = { header: null, secret: null, oauth: null, clientSecret: null, ...tokens }
  const row = { url: 'https://mcp.example.com/mcp', ...access, status: 'ok' as const, checkedAt: null, name: 'weather' }
  const tool = { description: '', readOnly: true, inputSchema: { type: 'object' } }
  const server = (id: string, trusted: boolean, names: string[]): ServerRow => ({
    ...{ ...row, id: `mcp_${id.repeat(26)}`, trusted },
    tools: names.map((name) => ({ ...tool, name })),
  })
  const many = Array.from({ length: 64 }, (_, n) => `read${n}`)
  const servers = [server('a', false, many), server('b', true, ['forecast'])]
  const named = toolsWithoutAsking({ actor }, servers).filter(({ name }) => name.includes('__'))
  expect(named.map(({ name }) => name)).toEqual(['weather-bbbbb__forecast'])
})
