import { resourceAt, SCOPES, type Scope } from '#auth'
import type { Ctx } from '#core'

type Config = Ctx['config']

const TOOL_AREAS = ['tasks', 'projects', 'calendar', 'memories', 'preferences'] as const

/** What a host of MCP can use: the scopes of the tools and resources there. */
const MCP_SCOPES: Scope[] = [
  'mcp',
  ...TOOL_AREAS.flatMap((area): Scope[] => [`${area}:read`, `${area}:write`]),
  'conversations:read',
]

/** RFC 8414: what our authorization server can do. */
export function serverMetadata({ publicUrl }: Config) {
  const at = (path: string) => `${publicUrl}${path}`
  return {
    issuer: publicUrl,
    authorization_endpoint: at('/oauth/authorize'),
    token_endpoint: at('/oauth/token'),
    registration_endpoint: at('/oauth/register'),
    revocation_endpoint: at('/oauth/revoke'),
    jwks_uri: at('/.well-known/jwks.json'),
    service_documentation: at('/docs'),
    scopes_supported: SCOPES,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
  }
}

const isMcp = (config: Config, resource: string) => resource === resourceAt(config, '/mcp')

/** The scopes that mean anything at a resource. */
export function scopesAt(config: Config, resource: string): Scope[] {
  return isMcp(config, resource) ? MCP_SCOPES : SCOPES.filter((scope) => scope !== 'mcp')
}

/** RFC 9728: whose tokens a resource takes. */
export function resourceMetadata(config: Config, path: string) {
  const resource = resourceAt(config, path)
  return {
    resource,
    resource_name: isMcp(config, resource) ? 'Aurelius MCP' : 'Aurelius',
    authorization_servers: [config.publicUrl],
    scopes_supported: scopesAt(config, resource),
    bearer_methods_supported: ['header'],
    resource_documentation: `${config.publicUrl}/docs`,
  }
}

/** What an unknown caller is told: where to read who lets them in (RFC 9728, 5.1), and at `/mcp` what to ask for. */
export function challengeAt(config: Config, path: string): string {
  const resource = resourceAt(config, path)
  const place = `resource_metadata="${config.publicUrl}/.well-known/oauth-protected-resource${isMcp(config, resource) ? path : ''}"`
  return isMcp(config, resource) ? `${place}, scope="${MCP_SCOPES.join(' ')}"` : place
}
