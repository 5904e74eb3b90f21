import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

const HOST = '127.0.0.1'
const PATH = '/signed-in'
const USAGE = 'npm run sign-in -- google|microsoft|apple [--url http://127.0.0.1:8787]'

/** As a program on somebody's own machine signs in: a browser goes there and comes back to a port of this one. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { url: { type: 'string', default: 'http://127.0.0.1:8787' } },
  })
  const [provider] = positionals
  if (!provider) throw new Error(`Use: ${USAGE}`)
  const { promise, resolve } = Promise.withResolvers<URLSearchParams>()
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', `http://${HOST}`)
    response.writeHead(pathname === PATH ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' })
    response.end(pathname === PATH ? 'You may close this.' : '')
    if (pathname === PATH) resolve(searchParams)
  })
  await new Promise<void>((ready) => server.listen(0, HOST, ready))
  const address = server.address()
  const returnTo = `http://${HOST}:${typeof address === 'object' && address ? address.port : 0}${PATH}`
  const codeVerifier = randomBytes(32).toString('base64url')
  const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(new URL(path, values.url), { method: 'POST', headers, body: JSON.stringify(body) })
    const said: Record<string, unknown> = JSON.parse(await answer.text())
    if (!answer.ok) throw new Error(`${said.code}: ${said.detail}`)
    return said
  }
  try {
    const { url } = await post(`/v1/auth/providers/${provider}/start`, { returnTo, codeChallenge })
    console.error(`Open this in your browser:\n${url}`)
    const back = await promise
    if (!back.has('code')) throw new Error(`not signed in: ${back.get('error')}`)
    const body = { code: back.get('code'), codeVerifier, deviceName: 'Terminal' }
    console.log(JSON.stringify(await post('/v1/auth/providers/exchange', body), null, 2))
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
})
