import { generateKeyPairSync, randomUUID } from 'node:crypto'
import {
  begin,
  type Client,
  createBrowser,
  exchange,
  locationOf,
  makeClient,
  RETURN_TO,
  type Step,
} from '../sign-in-browser.ts'
import type { Answer, Person, World } from '../world.ts'
import { type Idp, startIdp, type Ways } from './lib-idp.ts'

export const NAMES = ['google', 'microsoft', 'apple'] as const
export type Name = (typeof NAMES)[number]
export const TENANT = '11111111-2222-4333-8444-555555555555'
const PUBLIC_URL = 'https://aurelius.test'

export const PATHS = {
  google: { authorize: '/o/oauth2/v2/auth', token: '/oauth2/token', jwks: '/oauth2/v3/certs' },
  microsoft: { authorize: '/oauth2/v2.0/authorize', token: '/oauth2/v2.0/token', jwks: '/discovery/v2.0/keys' },
  apple: { authorize: '/auth/authorize', token: '/auth/token', jwks: '/auth/keys' },
}

type Browser = ReturnType<typeof createBrowser>

/** The system with three providers that do as they are told, and an account at each that somebody here has linked. */
export type Scene = {
  world: World
  idps: Record<Name, Idp>
  victim: Person
  attempt: Attempt
  close(): Promise<void>
}
export type Given = {
  name?: Name
  client?: Client
  browser?: Browser
  /** Who links what they come back with. */
  linker?: Person
  ways?: Partial<Ways>
  /** What becomes of the address the browser is sent to, and of what it brings back. */
  away?: (url: URL) => void
  back?: (step: Step) => Step
  /** Whoever exchanges the code. */
  exchanger?: Client
}
/** Goes all the way; what it comes to: `200` and whom it lets in, or how it is refused. */
type Attempt = (given?: Given) => Promise<string>

/** How an answer refuses, or where it sends on to. */
export function outcomeOf(answer: Answer): string {
  if (answer.status === 303) return `error=${locationOf(answer).searchParams.get('error')}`
  const code = /"code":"(\w+)"/.exec(answer.text)?.[1]
  return code ? `${answer.status} ${code}` : String(answer.status)
}

async function beginLink(person: Person, provider: Name, { codeChallenge }: Client): Promise<Step> {
  const body = { provider, returnTo: RETURN_TO, codeChallenge }
  const answer = await person.api('POST', '/v1/auth/identities/start', { body })
  return { method: 'GET', url: new URL(JSON.parse(answer.text).url) }
}

/** Links an account as its owner would. */
export async function linkAccount(scene: Pick<Scene, 'world' | 'idps'>, linker: Person, name: Name): Promise<void> {
  const { step, client, browser } = await visit(scene, { name, linker })
  const body = { code: codeOf(await browser.send(step)), codeVerifier: client.codeVerifier }
  const answer = await linker.api('POST', '/v1/auth/identities', { body })
  if (answer.status !== 201) throw new Error(`not linked: ${answer.status} ${answer.text}`)
}

/** What the browser comes back with: by a form from Apple. */
export async function visit({ world, idps }: Pick<Scene, 'world' | 'idps'>, given: Given) {
  const { name = 'google', client = makeClient(), browser = createBrowser(world.call) } = given
  const start = await (given.linker ? beginLink(given.linker, name, client) : begin(world.call, name, client))
  const url = locationOf(await browser.send(start))
  given.away?.(url)
  const returned = await idps[name].browse(url)
  const form = Object.fromEntries(returned.searchParams)
  const isForm = name === 'apple'
  const bare = new URL(returned.pathname, returned)
  const step: Step = isForm ? { method: 'POST', url: bare, form } : { method: 'GET', url: returned }
  return { start, step, url, client, browser }
}

/** What becomes of a code: whom it lets in. */
export async function redeem(world: World, code: string | null, client: Client): Promise<string> {
  const answer = await exchange(world.call, code, client)
  return answer.status === 200 ? `200 ${JSON.parse(answer.text).user.id}` : outcomeOf(answer)
}

export const codeOf = (answer: Answer) => locationOf(answer).searchParams.get('code')

/** The settings with which people sign in by those who are at these addresses. */
export function providerVars(google: string, microsoft: string, apple: string): Record<string, string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    GOOGLE_CLIENT_ID: 'client-google',
    GOOGLE_CLIENT_SECRET: 'secret',
    GOOGLE_BASE_URL: google,
    MICROSOFT_CLIENT_ID: 'client-microsoft',
    MICROSOFT_CLIENT_SECRET: 'secret',
    MICROSOFT_BASE_URL: microsoft,
    APPLE_CLIENT_ID: 'client-apple',
    APPLE_TEAM_ID: 'TEAM000001',
    APPLE_KEY_ID: 'KEY0000001',
    APPLE_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    APPLE_BASE_URL: apple,
    SIGN_IN_RETURN_URLS: 'http://127.0.0.1/signed-in, https://app.example.com/signed-in',
  }
}

export async function openScene(world: World): Promise<Scene> {
  const at = randomUUID().slice(0, 8)
  const google = await startIdp(PATHS.google, () => ({
    sub: `victim-${at}`,
    email: `victim-${at}@gmail.example`,
    email_verified: true,
    name: 'Sam',
  }))
  const microsoft = await startIdp(PATHS.microsoft, (url) => ({
    sub: `victim-${at}`,
    iss: `${url}/${TENANT}/v2.0`,
    tid: TENANT,
    email: `victim-${at}@outlook.example`,
  }))
  const apple = await startIdp(PATHS.apple, () => ({
    sub: `apple-${at}`,
    email: `victim-${at}@icloud.example`,
    email_verified: 'true',
  }))
  const idps = { google, microsoft, apple }
  const served = await world.sabotaged([], { PUBLIC_URL, ...providerVars(google.url, microsoft.url, apple.url) })
  const attempt: Attempt = async (given = {}) => {
    const idp = idps[given.name ?? 'google']
    idp.ways = { claims: {}, ...given.ways }
    try {
      const { step, client, browser } = await visit({ world: served, idps }, given)
      const answer = await browser.send(given.back?.(step) ?? step)
      const isLet = answer.status === 303 && codeOf(answer) !== null
      return isLet ? await redeem(served, codeOf(answer), given.exchanger ?? client) : outcomeOf(answer)
    } finally {
      idp.ways = { claims: {} }
    }
  }
  const close = async () => {
    await served.stop()
    for (const idp of Object.values(idps)) idp.close()
  }
  const [victim] = await served.people(1)
  if (!victim) throw new Error('nobody was made')
  return { world: served, idps, victim, attempt, close }
}
