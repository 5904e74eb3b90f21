import type { OpenAPIHono } from '@hono/zod-openapi'
import { isHighSecurity, POLICY, scopesAsked } from '#auth'

export type Documented = Pick<OpenAPIHono, 'openAPIRegistry' | 'getOpenAPI31Document'>

const SIGNED = 'Signed (RFC 9421) where its person demands it: else 401 `signature_required`.'

/** OpenAPI 3.1 of everything the app routes, made from the schemas that validate. */
export function openApiDocument(app: Documented, url: string) {
  app.openAPIRegistry.registerComponent('securitySchemes', 'accessToken', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A JWT of RFC 9068, checked as RFC8725 asks; from sign-in, for ten minutes',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'sessionCookie', {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-aurelius-access',
    description:
      'The same JWT in a browser, where the sign-in asked for it; changes bring `X-CSRF-Token` and their Origin',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description:
      'A key of POST /v1/api-keys with the scopes an operation names; opaque, so RFC8725 has nothing to say of it',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'operatorToken', {
    type: 'http',
    scheme: 'bearer',
    description: 'The OPERATOR_TOKEN secret of the deployment; opaque, so RFC8725 has nothing to say of it',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'staffToken', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The access token (RFC8725 holds for it as for any) of a person whose role the operation asks for',
  })
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Aurelius',
      version: '1.0.0',
      description: 'The backend of an AI chief of staff: it remembers, notices, suggests and acts with permission.',
      contact: { name: 'Aurelius', url: 'https://aurelius.dev' },
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url, description: 'This deployment, in production or local', 'x-internal': 'false' }],
  })
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(methods)) {
      const id = `${method.toUpperCase()} ${path}`
      if (isHighSecurity(id)) operation.description = `${operation.description ?? ''} ${SIGNED}`.trim()
      const scopes = scopesAsked(POLICY[id])
      if (scopes) operation.security.push({ apiKey: [...scopes] })
    }
  }
  return document
}
