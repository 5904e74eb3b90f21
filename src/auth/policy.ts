import { PRODUCT } from './policy-product.ts'
import type { Scope } from './scopes.ts'

export type Role = 'support' | 'admin'
/**
 * `public` asks nobody, `session` a signed-in person and no key, `roles` a signed-in person who holds one of them or the
 * operator's token of a service; else a key needs all of these.
 */
export type Rule = 'public' | 'session' | { readonly roles: readonly Role[] } | readonly Scope[]

const ADMIN = { roles: ['admin'] } as const
/** What support may see is metadata, and each look is told to the person. */
const STAFF = { roles: ['support', 'admin'] } as const

/** Who may call which route: every one of them, and what is not here is closed to all. */
export const POLICY: Readonly<Record<string, Rule>> = {
  ...PRODUCT,
  'GET /health': 'public',
  'GET /health/ready': 'public',
  'GET /.well-known/jwks.json': 'public',
  'POST /v1/auth/register': 'public',
  'POST /v1/auth/login': 'public',
  'POST /v1/auth/refresh': 'public',
  'POST /v1/auth/register/confirm': 'public',
  'POST /v1/auth/verify-email': 'session',
  'POST /v1/auth/verify-email/confirm': 'public',
  'POST /v1/auth/password': 'session',
  'POST /v1/auth/password-reset': 'public',
  'POST /v1/auth/password-reset/confirm': 'public',
  'POST /v1/auth/magic-link': 'public',
  'POST /v1/auth/magic-link/confirm': 'public',
  'POST /v1/auth/email': 'session',
  'POST /v1/auth/email/confirm': 'session',
  'GET /v1/auth/confirm': 'public',
  'GET /v1/realtime': 'public',
  'POST /v1/auth/logout': 'session',
  'POST /v1/auth/challenge': 'public',
  'POST /v1/auth/passkeys/sign-in/options': 'public',
  'POST /v1/auth/passkeys/sign-in': 'public',
  'POST /v1/auth/step-up': 'session',
  'GET /v1/auth/factors': 'session',
  'POST /v1/auth/totp': 'session',
  'POST /v1/auth/totp/confirm': 'session',
  'DELETE /v1/auth/totp': 'session',
  'POST /v1/auth/recovery-codes': 'session',
  'POST /v1/auth/passkeys/options': 'session',
  'POST /v1/auth/passkeys': 'session',
  'GET /v1/auth/passkeys': 'session',
  'PATCH /v1/auth/passkeys/{id}': 'session',
  'DELETE /v1/auth/passkeys/{id}': 'session',
  'GET /v1/auth/sessions': 'session',
  'DELETE /v1/auth/sessions': 'session',
  'DELETE /v1/auth/sessions/{id}': 'session',
  'POST /v1/auth/providers/{provider}/start': 'public',
  'GET /v1/auth/providers/{provider}/start': 'public',
  'GET /v1/auth/providers/{provider}/callback': 'public',
  'POST /v1/auth/providers/{provider}/callback': 'public',
  'POST /v1/auth/providers/exchange': 'public',
  'GET /v1/auth/identities': 'session',
  'POST /v1/auth/identities/start': 'session',
  'POST /v1/auth/identities': 'session',
  'DELETE /v1/auth/identities/{id}': 'session',
  'GET /v1/api-keys': 'session',
  'POST /v1/api-keys': 'session',
  'GET /v1/api-keys/{id}': 'session',
  'PATCH /v1/api-keys/{id}': 'session',
  'DELETE /v1/api-keys/{id}': 'session',
  'POST /v1/api-keys/{id}/rotate': 'session',
  'GET /v1/signing-keys': 'session',
  'POST /v1/signing-keys': 'session',
  'DELETE /v1/signing-keys/{id}': 'session',
  'GET /v1/signing-keys/policy': 'session',
  'PUT /v1/signing-keys/policy': 'session',
  'GET /v1/me': ['profile:read'],
  'PATCH /v1/me': ['profile:write'],
  'DELETE /v1/me': 'session',
  'POST /v1/me/restore': 'session',
  'POST /v1/me/export': 'session',
  'POST /v1/me/import': 'session',
  'GET /v1/me/exports': 'session',
  'GET /v1/me/exports/{id}': 'session',
  'GET /v1/me/exports/{id}/archive': 'session',
  'GET /v1/erasure-receipts/{id}': 'public',
  'GET /v1/me/preferences': ['preferences:read'],
  'PATCH /v1/me/preferences': ['preferences:write'],
  // A socket may join every room.
  'POST /v1/realtime/ticket': [
    'realtime',
    'tasks:read',
    'projects:read',
    'calendar:read',
    'memories:read',
    'notifications:read',
    'schedules:read',
    'effects:read',
    'conversations:read',
    'suggestions:read',
    'profile:read',
  ],
  // What they send is what the person may read, all of it.
  'GET /v1/webhooks': 'session',
  'POST /v1/webhooks': 'session',
  'GET /v1/webhooks/{id}': 'session',
  'PATCH /v1/webhooks/{id}': 'session',
  'DELETE /v1/webhooks/{id}': 'session',
  'POST /v1/webhooks/{id}/rotate': 'session',
  'POST /v1/webhooks/{id}/test': 'session',
  'GET /v1/webhooks/{id}/deliveries': 'session',
  'POST /v1/webhook-deliveries/{id}/replay': 'session',
  'GET /v1/audit': 'session',
  'GET /v1/audit/verify': 'session',
  'GET /v1/admin/ai/experiments': ADMIN,
  'GET /v1/admin/people': STAFF,
  'GET /v1/admin/people/{id}': STAFF,
  'PATCH /v1/admin/people/{id}': ADMIN,
  'GET /v1/admin/people/{id}/sessions': STAFF,
  'DELETE /v1/admin/people/{id}/sessions/{sessionId}': STAFF,
  'PUT /v1/admin/people/{id}/plan': ADMIN,
  'GET /v1/admin/flags': STAFF,
  'PUT /v1/admin/flags': ADMIN,
  'GET /v1/admin/cron': STAFF,
  'GET /v1/admin/queues': STAFF,
  'PATCH /v1/admin/queues/{queue}': ADMIN,
  'POST /v1/admin/queues/{queue}/redrive': ADMIN,
  'POST /v1/admin/queues/{queue}/purge': ADMIN,
  'GET /v1/admin/jobs': STAFF,
  'GET /v1/admin/jobs/{id}': STAFF,
  'POST /v1/admin/jobs/{id}/retry': ADMIN,
  'GET /v1/admin/audit': STAFF,
  'GET /v1/admin/dead-letters': STAFF,
  'POST /v1/admin/dead-letters/{id}/redrive': ADMIN,
  'GET /v1/admin/secrets': STAFF,
  'GET /v1/oauth/grants': 'session',
  'DELETE /v1/oauth/grants/{id}': 'session',
  'GET /.well-known/oauth-authorization-server': 'public',
  'GET /.well-known/oauth-protected-resource': 'public',
  'GET /.well-known/oauth-protected-resource/mcp': 'public',
  'POST /oauth/register': 'public',
  'GET /oauth/authorize': 'public',
  'POST /oauth/sign-in': 'public',
  'GET /oauth/consent': 'public',
  'POST /oauth/consent': 'public',
  'POST /oauth/token': 'public',
  'POST /oauth/revoke': 'public',
}

/** Throws for a route that has no row: nobody said who may call it. */
export function ruleOf(method: string, path: string): Rule {
  const rule = POLICY[`${method} ${path}`]
  if (rule === undefined) throw new Error(`the policy has no row for ${method} ${path}`)
  return rule
}

/** The scopes a rule asks a key for; undefined where no key will do. */
export function scopesAsked(rule: Rule | undefined): readonly Scope[] | undefined {
  return rule === undefined || typeof rule === 'string' || 'roles' in rule ? undefined : rule
}

/** The scopes a key lacks for what this rule asks; undefined where no key will do. */
export function lackingScopes(rule: Rule, held: ReadonlySet<Scope>): Scope[] | undefined {
  if (rule === 'public') return []
  return scopesAsked(rule)?.filter((scope) => !held.has(scope))
}
