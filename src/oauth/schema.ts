import { z } from '@hono/zod-openapi'
import { SCOPES } from '#auth'
import { s } from '#core'

const MAX_URI = 1000

const clientId = s.text(MAX_URI, 1)
const uri = s.text(MAX_URI, 1)
const resource = s.text(MAX_URI).optional()
const scope = s.text(2000).optional()
const token = z.string().max(3000)
// Neither marks of direction nor what is not seen: the name is read by whoever decides.
const isVisible = (name: string) => !/[\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u.test(name)

/** What an app says of itself (RFC 7591); what is not here is not asked for, and not kept. */
export const ClientMetadata = s.later(() =>
  z.looseObject({
    client_name: s.line(80).refine(isVisible, 'must be visible text').default('An unnamed app'),
    redirect_uris: s.list(uri, 10, 1),
    grant_types: s.list(s.text(100), 10).default(['authorization_code']),
    response_types: s.list(s.text(100), 10).default(['code']),
  }),
)
export type ClientMetadata = z.infer<ReturnType<typeof ClientMetadata>>

/** Where an answer would go: what is wrong with these is told to the person alone. */
export const Return = s.later(() =>
  z.looseObject({ client_id: clientId, redirect_uri: uri, state: s.text(2000).optional() }),
)
/** 43 letters are 256 bits: what S256 makes. */
export const Authorization = s.later(() =>
  z.looseObject({
    response_type: s.text(100),
    code_challenge: z.string().regex(/^[\w-]{43}$/, 'must be what S256 makes of a verifier'),
    code_challenge_method: z.literal('S256'),
    scope,
    resource,
  }),
)

export const RequestId = s.later(() => z.looseObject({ request: s.id('oar') }))
export const Decision = s.later(() => z.looseObject({ request: s.id('oar'), decision: z.enum(['allow', 'deny']) }))

export const CodeExchange = s.later(() =>
  z.looseObject({
    client_id: clientId,
    resource,
    code: token,
    redirect_uri: uri.optional(),
    code_verifier: z.string().regex(/^[\w.~-]{43,128}$/, 'must be a verifier of PKCE'),
  }),
)
export type CodeExchange = z.infer<ReturnType<typeof CodeExchange>>
export const Renewal = s.later(() => z.looseObject({ client_id: clientId, resource, refresh_token: token, scope }))
export type Renewal = z.infer<ReturnType<typeof Renewal>>
export const Revocation = s.later(() => z.looseObject({ client_id: clientId, token }))
export type Revocation = z.infer<ReturnType<typeof Revocation>>

export const OauthGrant = s.later(() =>
  z
    .strictObject({
      id: s.id('grt'),
      client: z.strictObject({
        id: z.string().max(MAX_URI),
        name: z.string().max(100),
        host: z.string().max(MAX_URI).openapi({ description: 'Where it is; its name is what it says of itself' }),
      }),
      scopes: s.list(z.enum(SCOPES), SCOPES.length),
      resource: z.string().max(MAX_URI),
      sessionId: s.id('ses'),
      createdAt: s.instant,
      lastUsedAt: s.instant.openapi({ description: 'When its tokens were last renewed' }),
      expiresAt: s.instant,
    })
    .openapi('OauthGrant'),
)
export type OauthGrant = z.infer<ReturnType<typeof OauthGrant>>
export const OauthGrantPage = s.later(() => s.pageOf(OauthGrant()).openapi('OauthGrantPage'))
