import { openBrowser } from '../cookie-jar.ts'
import { makeKey } from '../matrix-keys.ts'
import { type Answer, type CallOptions, PASSWORD, type World } from '../world.ts'
import { door } from './lib-effects.ts'
import type { Remote } from './lib-sealed.ts'

/** A secret by its name, and a place where none may be. */
export type Secrets = Record<string, string>
export type Places = Record<string, string>

const canary = (name: string) => `Canary-${name}-${crypto.randomUUID()}`
const JSON_TYPE = { 'content-type': 'application/json' }

type Bad = [method: string, path: string, options: CallOptions]

/** Secrets sent where they are wrong, so that whoever refuses them would have something to repeat. */
function badRequests(secret: string, token: string, remote: Remote): Bad[] {
  const auth = { type: 'header', name: 'authorization', value: secret }
  const server = { name: 'x', url: `${remote.url}/mcp`, auth }
  const bearer = { headers: { authorization: `Bearer ${secret}` } }
  const jwt = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ secret })).toString('base64url')}.x`
  return [
    ['GET', '/v1/me', bearer],
    ['GET', '/v1/me', { token: jwt }],
    ['GET', '/v1/me', { token: `aur_live_${secret}` }],
    ['GET', '/v1/me', { headers: { cookie: `__Host-aurelius-access=${secret}` } }],
    ['GET', '/v1/me', { headers: { authorization: `Basic ${secret}` } }],
    ['GET', '/v1/admin/dead-letters', bearer],
    ['POST', '/v1/auth/login', { body: { email: 'nobody@example.com', password: secret } }],
    ['POST', '/v1/auth/login', { body: { email: 'nobody@example.com', password: secret.repeat(20) } }],
    ['POST', '/v1/auth/login', { body: { email: secret, password: secret, [secret.slice(0, 6)]: 1 } }],
    ['POST', '/v1/auth/login', { raw: `{"password":"${secret}",`, headers: JSON_TYPE }],
    [
      'POST',
      '/v1/auth/register',
      { body: { email: 'a@example.com', password: secret.slice(0, 14), displayName: 'x' } },
    ],
    ['POST', '/v1/auth/refresh', { body: { refreshToken: `rt_${secret}` } }],
    ['POST', '/v1/auth/refresh', { body: { refreshToken: secret } }],
    ['GET', `/v1/realtime?ticket=${secret}`, {}],
    ['GET', `/v1/realtime?ticket=tkt_x.${secret}.${'x'.repeat(43)}`, {}],
    ['GET', `/v1/mcp/callback?state=${secret}&code=${secret}`, {}],
    ['POST', '/v1/mcp/servers', { token, body: { ...server, name: '' } }],
    ['POST', '/v1/mcp/servers', { token, body: { ...server, auth: { ...auth, value: `${secret}\n` } } }],
    ['POST', '/v1/mcp/servers', { token, body: { ...server, auth: { ...auth, value: [secret] } } }],
    ['POST', '/v1/mcp/servers', { token, body: { ...server, url: 'ftp://x.example' } }],
    ['POST', '/v1/tasks', { token, raw: `{"title":"${secret}`, headers: JSON_TYPE }],
  ]
}

/** Secrets go every way they can go; answers them, and all that was said to whoever was refused. */
export async function sowCanaries(world: World, remote: Remote, report: (what: string) => void) {
  const secrets: Secrets = {}
  const refused: string[] = []
  const keep = (name: string, text: unknown) => {
    secrets[name] = String(text)
  }
  const person = await world.person()
  keep('an access token', person.accessToken.split('.')[2])
  keep('a refresh token', person.refreshToken)
  const renewed = await world.call('POST', '/v1/auth/refresh', { body: { refreshToken: person.refreshToken } })
  keep('the next refresh token', JSON.parse(renewed.text).refreshToken)
  keep('the next access token', JSON.parse(renewed.text).accessToken.split('.')[2])
  keep('a password', PASSWORD)
  const { secret } = await makeKey(person)
  keep('an API key', secret.slice(19))
  await world.call('GET', '/v1/tasks', { token: secret })
  keep('a ticket', await door(world.url, person.accessToken).ticket())
  const browser = openBrowser(world, person.email)
  await browser.signIn()
  keep('a CSRF token', browser.csrfToken)
  for (const [name, text] of browser.cookies) keep(name, text.split('.').at(-1))
  await browser.send('POST', '/v1/tasks', { body: { title: 'x' } })
  await person.api('POST', '/v1/conversations', { body: { title: 'x' } })
  const echo = canary('echo')
  keep('a secret that its server repeats', echo)
  const auth = { type: 'header', name: 'authorization', value: echo }
  const made = await person.api('POST', '/v1/mcp/servers', { body: { name: 'echo', url: `${remote.url}/echo`, auth } })
  const checked = await person.api('POST', `/v1/mcp/servers/${JSON.parse(made.text).id}/check`)
  refused.push(made.text, checked.text)
  const sent = canary('sent')
  keep('a secret that was refused', sent)
  keep('the beginning of one', sent.slice(0, 14).concat(sent.slice(14, 20)))
  for (const [method, path, options] of badRequests(sent, person.accessToken, remote)) {
    const answer = await world.call(method, path, options)
    if (answer.status < 400) report(`${method} ${path.slice(0, 30)} takes what is wrong`)
    refused.push(textOf(answer))
  }
  return { secrets, refused: refused.join('\n'), tries: refused.length }
}

const textOf = ({ text, headers }: Answer) =>
  [text, ...[...headers].map(([name, value]) => `${name}: ${value}`)].join('\n')

/** Every row of every table, as text. */
export async function dump(world: World): Promise<string> {
  const tables = await world.query(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  )
  const rows = await Promise.all(
    tables.map(({ name }) => world.query(`select to_jsonb(t)::text as row from "${name}" t`)),
  )
  return rows
    .flat()
    .map(({ row }) => String(row))
    .join('\n')
}

/** The secrets of the deployment itself. */
export function deploymentSecrets({ vars }: World): Secrets {
  const keys: { d: string }[] = JSON.parse(vars.JWT_KEYS ?? '[]')
  const wraps: { key: string }[] = JSON.parse(vars.ENCRYPTION_KEYS ?? '[]')
  return {
    'a signing key': keys[0]?.d ?? '',
    'a key that seals': wraps[0]?.key ?? '',
    'the refresh key': vars.REFRESH_KEY ?? '',
    'the pepper': vars.PASSWORD_PEPPER ?? '',
    "the operator's token": vars.OPERATOR_TOKEN ?? '',
  }
}

/** Which secrets are found where; each is looked for in every place. */
export function findSecrets(secrets: Secrets, places: Places, report: (what: string) => void): number {
  const names = Object.entries(secrets)
  for (const [name, secret] of names) {
    if (secret.length < 12) throw new Error(`${name} is too short to be looked for`)
    for (const [place, text] of Object.entries(places)) if (text.includes(secret)) report(`${name} is in ${place}`)
  }
  return names.length * Object.keys(places).length
}
