import { getPath } from 'hono/utils/url'
import { type App, createRoot } from './app.ts'

/** `under` are all the prefixes of its routes; under /v1 these are written without it. */
type Domain = { under: string[]; open: () => Promise<{ app: App }> }

// An isolate's start runs none of them: the routes and schemas of a domain are made at the first request to it.
const DOMAINS: Domain[] = [
  { under: ['/', '/health', '/.well-known', '/openapi.json', '/docs'], open: openSystem },
  { under: ['/v1/auth'], open: () => import('#auth/routes') },
  { under: ['/v1/api-keys'], open: () => import('#keys/routes') },
  { under: ['/v1/signing-keys'], open: () => import('#signatures/routes') },
  { under: ['/v1/me'], open: () => import('#users/routes') },
  { under: ['/v1/me', '/v1/erasure-receipts'], open: () => import('#account/routes') },
  { under: ['/v1/tasks', '/v1/projects'], open: () => import('#tasks/routes') },
  { under: ['/v1/calendar'], open: () => import('#calendar/routes') },
  { under: ['/v1/ai', '/v1/admin'], open: () => import('#ai/routes') },
  { under: ['/v1/conversations', '/v1/turns'], open: () => import('#assistant/routes') },
  { under: ['/v1/memories'], open: () => import('#memories/routes') },
  { under: ['/v1/notifications', '/v1/devices'], open: () => import('#notifications/routes') },
  { under: ['/v1/mail'], open: () => import('#mail/routes') },
  { under: ['/v1/effects', '/v1/effect-kinds'], open: () => import('#effects/routes') },
  { under: ['/v1/schedules'], open: openSchedules },
  { under: ['/v1/realtime'], open: () => import('#realtime/routes') },
  { under: ['/v1/admin'], open: () => import('#queue/routes') },
  { under: ['/v1/admin'], open: openSecrets },
  { under: ['/v1/admin'], open: () => import('#admin/routes') },
  { under: ['/v1/audit'], open: () => import('#audit/routes') },
  { under: ['/v1/mcp'], open: () => import('#integrations/routes') },
  { under: ['/v1/webhooks', '/v1/webhook-deliveries'], open: () => import('#webhooks/routes') },
  { under: ['/v1/suggestions', '/v1/learning', '/v1/autonomy'], open: () => import('#proactivity/routes') },
  { under: ['/v1/commitments'], open: () => import('#commitments/routes') },
  { under: ['/v1/workflows', '/v1/hooks'], open: () => import('#workflows/routes') },
  { under: ['/v1/runs', '/v1/workflows'], open: async () => ({ app: (await import('#workflows/routes')).runsApp }) },
  { under: ['/mcp'], open: () => import('#mcp/routes') },
  { under: ['/oauth', '/.well-known'], open: () => import('#oauth/routes') },
  { under: ['/v1/oauth'], open: async () => ({ app: (await import('#oauth/routes')).grantsApp }) },
  { under: ['/compat'], open: () => import('#compat/routes') },
]

async function openSecrets() {
  const [{ secretsApp }, { sealedColumns }] = await Promise.all([import('#security/routes'), import('./sealed.ts')])
  return { app: secretsApp(sealedColumns) }
}

async function openSchedules() {
  const [{ schedulesApp }, { carriers }] = await Promise.all([
    import('#scheduler/routes'),
    import('./schedule-actions.ts'),
  ])
  return { app: schedulesApp(carriers) }
}

async function openSystem() {
  const { systemApp } = await import('./system.ts')
  return { app: systemApp(openAll) }
}

const isUnder = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`)

async function rootOf(domains: Domain[]): Promise<App> {
  const opened = domains.map(async ({ under, open }) => ({
    base: under.every((prefix) => prefix.startsWith('/v1/')) ? '/v1' : '/',
    app: (await open()).app,
  }))
  return createRoot(await Promise.all(opened))
}

/** Every domain at once: what describes or checks all of them asks for it. */
export const openAll = (): Promise<App> => rootOf(DOMAINS)

const roots = new Map<string, App>()

/** Answers by the domains under whose prefix the path is. */
export async function answerRequest(request: Request, env: Env, runtime: ExecutionContext): Promise<Response> {
  const path = getPath(request)
  const asked = DOMAINS.filter(({ under }) => under.some((prefix) => isUnder(path, prefix)))
  const name = asked.flatMap(({ under }) => under).join()
  const root = roots.get(name) ?? (await rootOf(asked))
  roots.set(name, root)
  return await root.fetch(request, env, runtime)
}
