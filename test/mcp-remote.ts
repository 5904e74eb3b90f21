import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

export const REMOTE_SECRET = 'Bearer open-sesame-42'

/** Somebody else's MCP server, made with the SDK, and paths at which there is none. */
export type RemoteServer = {
  url: string
  /** What was called, and each request that came in. */
  calls: { tool: string; input: unknown }[]
  requests: { path: string; headers: IncomingMessage['headers'] }[]
  /** How many sessions are open at `/sessions`. */
  sessions(): number
  /** Resolves when the next request is there. */
  asked(): Promise<void>
  close(): void
}

const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] })

function makeTools(calls: RemoteServer['calls']): McpServer {
  const server = new McpServer({ name: 'weather', version: '1.0.0' })
  const readOnly = { readOnlyHint: true }
  const city = { city: z.string() }
  const note = (tool: string, input: unknown) => void calls.push({ tool, input })
  server.registerTool('forecast', { description: 'The weather', inputSchema: city, annotations: readOnly }, (input) => {
    note('forecast', input)
    return text(`Sunny in ${input.city}`)
  })
  server.registerTool('stations.wipe', { description: 'Forget all stations', inputSchema: city }, (input) => {
    note('stations.wipe', input)
    return { ...text('Gone'), structuredContent: { gone: 3 } }
  })
  server.registerTool('whoami', { annotations: readOnly }, ({ requestInfo }) =>
    text(`You sent ${requestInfo?.headers.authorization}`),
  )
  server.registerTool('fail', { annotations: readOnly }, () => ({ ...text('No such city'), isError: true }))
  server.registerTool('odd', { annotations: readOnly }, () => text('a\0b\ud800'))
  server.registerTool('much', { annotations: readOnly }, () => text('x'.repeat(100_000)))
  server.registerTool('too_much', { annotations: readOnly }, () => text('x'.repeat(2_000_000)))
  server.registerTool('hang', { annotations: readOnly }, () => new Promise(() => {}))
  return server
}

const ELSEWHERE: Record<string, (response: ServerResponse, url: string) => void> = {
  '/redirect': (response, url) => response.writeHead(307, { location: `${url}/mcp` }).end(),
  '/garbage': (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('<html>hello</html>'),
  '/strange': (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0"}'),
  '/empty': (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing\n\n'),
  '/huge': (response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(`"${'x'.repeat(2_000_000)}"`),
  '/error': (response) => response.writeHead(500).end(),
  '/busy': (response) => response.writeHead(429).end(),
  '/hang': () => undefined,
  '/slow': (response) =>
    void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': still here\n\n'),
}

type SignIn = {
  isAllowed(authorization: string | undefined): boolean
  /** The `WWW-Authenticate` of a 401. */
  challenge?(): string | undefined
  /** Whether it answered this request itself. */
  answer?(path: string, response: ServerResponse): boolean
}
const BY_SECRET: SignIn = { isAllowed: (authorization) => authorization === REMOTE_SECRET }

/** On loopback; `/mcp` answers by streams, `/json` whole, both with the secret in the header alone. */
export async function startRemote(signIn = BY_SECRET): Promise<RemoteServer> {
  const calls: RemoteServer['calls'] = []
  const requests: RemoteServer['requests'] = []
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  let wake = () => {}
  let url = ''
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    requests.push({ path, headers: request.headers })
    wake()
    const elsewhere = ELSEWHERE[path]
    if (elsewhere) return elsewhere(response, url)
    if (signIn.answer?.(path, response)) return
    if (!signIn.isAllowed(request.headers.authorization)) {
      const challenge = signIn.challenge?.()
      return void response.writeHead(401, challenge ? { 'www-authenticate': challenge } : {}).end()
    }
    const known = sessions.get(String(request.headers['mcp-session-id']))
    if (known) return await known.handleRequest(request, response)
    const transport = new StreamableHTTPServerTransport({
      enableJsonResponse: path === '/json',
      ...(path === '/sessions' && {
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, transport),
        onsessionclosed: (id) => void sessions.delete(id),
      }),
    })
    // The SDK's own types disagree on a session that may be undefined.
    await makeTools(calls).connect(transport as Parameters<McpServer['connect']>[0])
    await transport.handleRequest(request, response)
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  return {
    url,
    calls,
    requests,
    sessions: () => sessions.size,
    asked: () => new Promise((resolve) => (wake = resolve)),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
