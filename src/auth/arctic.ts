import { CodeChallengeMethod, OAuth2Client } from 'arctic'

export type Asked = {
  endpoint: string
  clientId: string
  redirectUri: string
  state: string
  /** Undefined where the provider knows no PKCE. */
  verifier: string | undefined
  scopes: string[]
  more: Record<string, string>
}

/** Where a browser asks a provider for a code. */
export function authorizationUrl({ endpoint, clientId, redirectUri, state, verifier, scopes, more }: Asked): string {
  const client = new OAuth2Client(clientId, null, redirectUri)
  const url =
    verifier === undefined
      ? client.createAuthorizationURL(endpoint, state, scopes)
      : client.createAuthorizationURLWithPKCE(endpoint, state, CodeChallengeMethod.S256, verifier, scopes)
  for (const [name, value] of Object.entries(more)) url.searchParams.set(name, value)
  return url.href
}
