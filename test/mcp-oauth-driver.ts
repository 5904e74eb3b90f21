// Run by the conformance suite with a server's URL: a person connects it, in a world that runs, and uses what it offers.
const { WORLD_URL = '', WORLD_TOKEN = '', MCP_CONFORMANCE_CONTEXT = '{}' } = process.env
const context: { client_id?: string; client_secret?: string } = JSON.parse(MCP_CONFORMANCE_CONTEXT)

async function api(method: string, path: string, body?: object): Promise<Record<string, string>> {
  const headers = { authorization: `Bearer ${WORLD_TOKEN}`, 'content-type': 'application/json' }
  const answer = await fetch(WORLD_URL + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}

const { client_id: clientId, client_secret: clientSecret } = context
const auth = { type: 'oauth', ...(clientId && { clientId, clientSecret }) }
const { id } = await api('POST', '/v1/mcp/servers', { name: 'tested', url: process.argv.at(-1), auth })
const { authorizationUrl = '' } = await api('POST', `/v1/mcp/servers/${id}/connect`)
const consented = await fetch(authorizationUrl, { redirect: 'manual' })
const { search } = new URL(consented.headers.get('location') ?? '')
const page = await fetch(`${WORLD_URL}/v1/mcp/callback${search}`)
const { status, lastError } = await api('POST', `/v1/mcp/servers/${id}/check`)
if (!page.ok || status !== 'ok') throw new Error(`${await page.text()} ${lastError}`)
