import { createHash, randomBytes } from 'node:crypto'
import { PASSWORD, type World } from './world.ts'

export const ISSUER = 'https://aurelius.test'
export const REDIRECT = 'https://app.example/callback'

/** Our address as the world sees it, wherever it runs. */
export function fetcher({ url }: Pick<World, 'url'>) {
  return (input: string | URL | Request, init?: object) => fetch(String(input).replace(ISSUER, url), init)
}

const hidden = (html: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? ''

/** What of a browser an authorization server meets: cookies, forms and where a redirect leads; it follows none by itself. */
export function openBrowser(world: World) {
  const jar = new Map<string, string>()
  const go = async (
    method: 'GET' | 'POST',
    path: string,
    form?: [string, string][],
    more: Record<string, string> = {},
  ) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie && { cookie }), ...(form && { origin: world.vars.PUBLIC_URL ?? ISSUER }), ...more }
    const body = form ? new URLSearchParams(form) : null
    const response = await fetch(world.url + path, { method, headers, body, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    const text = await response.text()
    const { status } = response
    return { status, headers: response.headers, text, location: response.headers.get('location') ?? '' }
  }
  const pathOf = (url: string | URL) => {
    const { pathname, search } = new URL(url)
    return pathname + search
  }
  return {
    jar,
    go,
    open: (url: string | URL) => go('GET', pathOf(url)),
    signIn: (page: string, email: string, password = PASSWORD) =>
      go('POST', '/oauth/sign-in', [
        ['request', hidden(page, 'request')],
        ['email', email],
        ['password', password],
      ]),
    /** Says yes to what is ticked, or to `scopes` alone. */
    answer(page: string, decision: 'allow' | 'deny' = 'allow', scopes?: string[]) {
      const ticked = scopes ?? [...page.matchAll(/name="scope" value="([^"]+)"/g)].map(([, scope = '']) => scope)
      return go('POST', '/oauth/consent', [
        ['request', hidden(page, 'request')],
        ...ticked.map((scope): [string, string] => ['scope', scope]),
        ['decision', decision],
      ])
    },
    /** The whole way of a person who agrees; where the app is told. */
    async agree(url: string | URL, email: string, scopes?: string[]): Promise<URL> {
      const first = await this.open(url)
      const signedIn = await this.signIn(first.text, email)
      if (signedIn.status !== 303) throw new Error(`sign-in: ${signedIn.status} ${signedIn.text}`)
      const page = await go('GET', signedIn.location)
      const answered = await this.answer(page.text, 'allow', scopes)
      if (answered.status !== 303) throw new Error(`consent: ${answered.status} ${answered.text}`)
      return new URL(answered.location)
    },
  }
}

export type Pkce = { verifier: string; challenge: string }

export function makePkce(): Pkce {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

// None of it is in the document, which the world holds every other call against.
async function post({ url }: Pick<World, 'url'>, path: string, body: string, type: string) {
  const response = await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } })
  const { status, headers } = response
  const text = await response.text()
  const json: unknown = /json/.test(headers.get('content-type') ?? '') ? JSON.parse(text) : undefined
  return { status, headers, text, json }
}

export async function registerApp(world: World, metadata: object = {}): Promise<string> {
  const body = JSON.stringify({ client_name: 'Planner', redirect_uris: [REDIRECT], ...metadata })
  const { status, json, text } = await post(world, '/oauth/register', body, 'application/json')
  if (status !== 201) throw new Error(`registering answered ${status}: ${text}`)
  return Object(json).client_id
}

/** The address an app sends a person to; a `null` parameter is left out. */
export function authorizeUrl(clientId: string, { challenge }: Pkce, over: Record<string, string | null> = {}): URL {
  const url = new URL('/oauth/authorize', ISSUER)
  const all = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: REDIRECT,
    state: 'the state',
    scope: 'tasks:read tasks:write',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...over,
  }
  for (const [name, value] of Object.entries(all)) if (value !== null) url.searchParams.set(name, value)
  return url
}

/** A form of an app: the token and the revocation endpoint take no other. */
export async function postForm(world: World, path: string, fields: Record<string, string>) {
  const answer = await post(world, path, new URLSearchParams(fields).toString(), 'application/x-www-form-urlencoded')
  return { ...answer, said: Object(answer.json) }
}

/** A person who has let an app in, and all that it then holds. */
export async function letIn(world: World, over: Record<string, string | null> = {}) {
  const person = await world.person()
  const [clientId, pkce] = [await registerApp(world), makePkce()]
  const back = await openBrowser(world).agree(authorizeUrl(clientId, pkce, over), person.email)
  const code = back.searchParams.get('code') ?? ''
  const exchange = {
    grant_type: 'authorization_code',
    client_id: clientId,
    code,
    redirect_uri: REDIRECT,
    code_verifier: pkce.verifier,
  }
  return { person, clientId, pkce, back, code, exchange }
}

/** The same, with its tokens. */
export async function connectApp(world: World, over: Record<string, string | null> = {}) {
  const app = await letIn(world, over)
  const { status, said, text } = await postForm(world, '/oauth/token', app.exchange)
  if (status !== 200) throw new Error(`the code was answered ${status}: ${text}`)
  return { ...app, accessToken: String(said.access_token), refreshToken: String(said.refresh_token), said }
}
