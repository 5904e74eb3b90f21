import { createPublicKey } from 'node:crypto'
import { begin, createBrowser, locationOf, makeClient, type Step } from '../sign-in-browser.ts'
import { type Call, makeId, type World } from '../world.ts'
import { judge, onePerson, type Scene, within } from './lib-faults.ts'
import { FAULTS, type Faulty, startFaulty } from './lib-faulty.ts'
import { newRsaKey } from './lib-idp.ts'
import { jws, withKey } from './lib-jws.ts'
import { codeOf, NAMES, type Name, PATHS, providerVars, redeem, TENANT } from './lib-sign-in.ts'

const TRIES = 3
const KID = 'proof'
const CLIENT = 'client-'
const VALID_S = 300

/** With whose accounts people sign in here; each upstream is the token endpoint and the keys of one of them. */
export type Providers = { vars: Record<string, string>; servers: Record<Name, Faulty>; stop(): Promise<void> }

const issuerOf = (name: Name, url: string) => (name === 'microsoft' ? `${url}/${TENANT}/v2.0` : url)

/** Signs in whoever comes; the code is the nonce that their browser was sent with. */
async function startProvider(name: Name): Promise<Faulty> {
  const key = newRsaKey()
  const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), kid: KID, alg: 'RS256', use: 'sig' }
  const server = await startFaulty(name, ({ url }, body, response) => {
    const nonce = new URLSearchParams(body.toString()).get('code')
    const iat = Math.floor(Date.now() / 1000)
    const said = { iss: issuerOf(name, server.url), sub: `proof-${name}`, aud: CLIENT + name, iat, exp: iat + VALID_S }
    const idToken = () =>
      jws({ alg: 'RS256', kid: KID, typ: 'JWT' }, { ...said, nonce, tid: TENANT }, withKey(key, 'sha256'))
    const answer = url === PATHS[name].jwks ? { keys: [jwk] } : { id_token: idToken(), token_type: 'Bearer' }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  return server
}

export async function startProviders(): Promise<Providers> {
  const [google, microsoft, apple] = await Promise.all(NAMES.map(startProvider))
  if (!google || !microsoft || !apple) throw new Error('no providers')
  const servers = { google, microsoft, apple }
  const stop = async () => void (await Promise.all(Object.values(servers).map((server) => server.stop())))
  return { servers, vars: providerVars(google.url, microsoft.url, apple.url), stop }
}

/** Goes all the way to whoever is let in; or how that ends. */
const signIn = ({ served }: Scene, name: Name) =>
  within((signal) => enter(served, name, (method, path, options) => served.call(method, path, { ...options, signal })))

async function enter(served: World, name: Name, call: Call): Promise<string> {
  const client = makeClient()
  const browser = createBrowser(call)
  const away = locationOf(await browser.send(await begin(call, name, client))).searchParams
  const form = { state: away.get('state') ?? '', code: away.get('nonce') ?? '' }
  const url = new URL(`/v1/auth/providers/${name}/callback`, served.url)
  const get = new URL(`${url.href}?${new URLSearchParams(form)}`)
  const step: Step = name === 'apple' ? { method: 'POST', url, form } : { method: 'GET', url: get }
  const answer = await browser.send(step)
  if (answer.status !== 303) return String(answer.status)
  const code = codeOf(answer)
  return code === null ? `${locationOf(answer).searchParams.get('error')}` : await redeem(served, code, client)
}

/** While one does not answer nobody is let in by it, whoever they say they are, and no browser is left standing. */
export async function trySignIn(scene: Scene, { servers }: Providers): Promise<void> {
  await Promise.all(
    NAMES.map(async (name) => {
      const server = servers[name]
      const { userId } = await onePerson(scene.served)
      await scene.world.query(
        'insert into identities (id, user_id, provider, issuer, subject) values ($1, $2, $3, $4, $5)',
        [makeId('idt'), userId, name, issuerOf(name, server.url), `proof-${name}`],
      )
      const well = `200 ${userId}`
      const say = (said: string) => (said === well ? 'signed in' : said)
      for (const part of ['token', 'jwks'] as const) {
        for (const fault of FAULTS) {
          await server.break(fault, new RegExp(`^${PATHS[name][part]}$`))
          const tell = (what: string, said: string, isRight: boolean) =>
            judge(scene, `${name} ${part}`, fault, what, say(said), isRight)
          const said = await signIn(scene, name)
          tell('signing in', said, said === (fault === 'slow' ? well : 'provider_failed'))
          await server.mend()
          let after = ''
          for (let n = 0; n < TRIES && after !== well; n++) after = await signIn(scene, name)
          tell('mended', after, after === well)
        }
      }
    }),
  )
}
