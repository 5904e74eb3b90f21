import { z } from '@hono/zod-openapi'
import { breakerStates, embeddingsHealth, transcriptionHealth } from '#ai'
import { publicKeys, signInHealth } from '#auth'
import { answer, type Ctx, createApp, publicRoute } from '#core'
import { ping } from '#database'
import { mailHealth } from '#email'
import { vectorHealth } from '#search'
import { DOCS_FILES, docsPage } from './docs.ts'
import { type Documented, openApiDocument } from './document.ts'

const tags = ['System']

const Health = z.strictObject({ status: z.literal('ok') }).openapi('Health')
const Dependency = z
  .strictObject({
    name: z.string().max(50),
    status: z.enum(['ok', 'down', 'off']),
    provider: z.string().max(100),
    latencyMs: z.number().min(0).max(600_000).nullable(),
    detail: z.string().max(200).nullable(),
  })
  .openapi('Dependency')
const Readiness = z
  .strictObject({ status: z.enum(['ready', 'not_ready']), dependencies: z.array(Dependency).max(30) })
  .openapi('Readiness')
const Jwks = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          kty: z.literal('OKP'),
          crv: z.literal('Ed25519'),
          kid: z.string().max(100),
          x: z.string().max(100),
          use: z.literal('sig'),
          alg: z.literal('EdDSA'),
        }),
      )
      .max(4),
  })
  .openapi('Jwks')

const healthRoute = publicRoute({
  method: 'get',
  path: '/health',
  operationId: 'health',
  summary: 'Is the process alive',
  tags,
  responses: { 200: answer(Health, 'Alive') },
})
const readyRoute = publicRoute({
  method: 'get',
  path: '/health/ready',
  operationId: 'ready',
  summary: 'Can it serve: each dependency, its latency and what runs it',
  tags,
  responses: { 200: answer(Readiness, 'All needed parts answer'), 503: answer(Readiness, 'A needed part is away') },
})
const jwksRoute = publicRoute({
  method: 'get',
  path: '/.well-known/jwks.json',
  operationId: 'jwks',
  summary: 'Public keys of the access tokens',
  tags,
  responses: { 200: answer(Jwks, 'RFC 7517') },
})

type Dependency = z.infer<typeof Dependency>

/** `probe` changes nothing; what it answers with in words is the detail. */
async function timed(name: string, provider: string, probe: () => Promise<string | void>): Promise<Dependency> {
  const started = performance.now()
  try {
    const detail = (await probe()) ?? null
    return { name, provider, status: 'ok', latencyMs: Math.round((performance.now() - started) * 10) / 10, detail }
  } catch {
    return { name, provider, status: 'down', latencyMs: null, detail: 'does not answer' }
  }
}

function backlog({ backlogCount, oldestMessageTimestamp: oldest }: QueueMetrics): string {
  return `${backlogCount} waiting${oldest ? `, the oldest since ${oldest.toISOString()}` : ''}`
}

async function readiness(ctx: Ctx): Promise<Dependency[]> {
  const { config, db, env } = ctx
  const models = await breakerStates(ctx)
  const parts = await Promise.all([
    timed('database', config.database.fetchEndpoint ? 'local gateway' : 'neon', () => ping(db)),
    timed('userSession', 'durable object', async () => void (await env.USER_SESSION.getByName('health').ping())),
    timed('steward', 'durable object', async () => void (await env.STEWARD.getByName('health').ping())),
    timed('queue', 'queues', async () => backlog(await env.EVENTS.metrics())),
    vectors(ctx),
    Promise.resolve<Dependency>({ name: 'embeddings', latencyMs: null, ...embeddingsHealth(ctx) }),
    Promise.resolve<Dependency>({ name: 'transcription', latencyMs: null, ...transcriptionHealth(ctx) }),
    Promise.resolve<Dependency>({ name: 'mail', latencyMs: null, ...mailHealth(ctx) }),
    Promise.resolve<Dependency>({ name: 'signIn', latencyMs: null, ...signInHealth(config) }),
  ])
  return [...parts, ...models.map((model): Dependency => ({ name: MODEL, latencyMs: null, ...model }))]
}

const MODEL = 'model'

// Without these it serves on.
const SPARED = new Set([MODEL, 'embeddings', 'transcription'])

// The models stand in for each other: one of them is enough.
const isUp = (dependencies: Dependency[]): boolean =>
  dependencies.every(({ name, status }) => SPARED.has(name) || status !== 'down') &&
  dependencies.some(({ name, status }) => name === MODEL && status !== 'down')

// That the database is away is told by its own row.
async function vectors(ctx: Ctx): Promise<Dependency> {
  const { vectors: provider } = ctx.config.ai
  const health = await vectorHealth(ctx).catch(() => ({ provider, status: 'down' as const, detail: 'does not answer' }))
  return { name: 'vectors', latencyMs: null, ...health }
}

/** Health, keys, the document and its reference. `whole` is asked late: the document names every route. */
export function systemApp(whole: () => Promise<Documented>) {
  const app = createApp()
    .openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200))
    .openapi(readyRoute, async (c) => {
      const dependencies = await readiness(c.var.ctx)
      return isUp(dependencies)
        ? c.json({ status: 'ready' as const, dependencies }, 200)
        : c.json({ status: 'not_ready' as const, dependencies }, 503)
    })
    .openapi(jwksRoute, (c) => c.json({ keys: publicKeys(c.var.ctx) }, 200, { 'Cache-Control': 'public, max-age=300' }))
  app.get('/', (c) => c.json({ name: 'Aurelius', docs: '/docs', openapi: '/openapi.json', health: '/health/ready' }))
  let document: string | undefined
  app.get('/openapi.json', async (c) => {
    document ??= JSON.stringify(openApiDocument(await whole(), c.var.ctx.config.publicUrl))
    return c.body(document, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=60' })
  })
  app.get('/docs', (c) => docsPage(c))
  for (const file of DOCS_FILES) {
    app.get(`/docs/${file}`, async (c) => {
      const asset = await c.env.ASSETS.fetch(new URL(`/${file}`, c.req.url))
      // A copy: the headers of what a binding answers cannot be changed.
      return new Response(asset.body, asset)
    })
  }
  return app
}
