import { createHash, randomBytes } from 'node:crypto'
import { seal } from '#security'
import { makeClient } from './sign-in-browser.ts'
import { type Person, tokenHash, type World } from './world.ts'

/** Of the accounts that these flows bring back. */
export const ISSUER = 'https://idp.invalid'

const random = () => randomBytes(32).toString('base64url')

/** Behind the API: a browser that is as far on its way as this, in place of a provider that is not there. */
async function makeFlow(world: World, stage: 'begun' | 'away' | 'back', content: object, linker?: Person) {
  const [bears, browser, client] = [random(), random(), makeClient()]
  const hash = tokenHash(bears)
  const place = { table: 'sign_in_flows', column: 'sealed', rowId: hash, userId: '' }
  const sealed = await seal(JSON.parse(world.vars['ENCRYPTION_KEYS'] ?? '[]'), place, JSON.stringify(content))
  await world.query(
    `insert into sign_in_flows (hash, stage, provider, user_id, session_id, return_to, challenge, browser_hash, sealed, expires_at)
      values ($1, $2, 'google', $3, $4, 'https://app.example.com/signed-in', $5, $6, $7, now() + interval '1 minute')`,
    [
      ...[hash, stage, linker?.userId ?? null, linker?.sessionId ?? null, client.codeChallenge],
      ...[createHash('sha256').update(browser).digest('base64url'), sealed],
    ],
  )
  return { bears, cookie: `aurelius-away=${browser}`, client }
}

export const beginFlow = async (world: World) => (await makeFlow(world, 'begun', {})).bears
export const awayFlow = async (world: World) => {
  const { bears: state, cookie } = await makeFlow(world, 'away', { verifier: random(), nonce: random() })
  return { query: new URLSearchParams({ state, code: 'x' }).toString(), headers: { cookie } }
}

/** The body that redeems an account of Google's; `linker` is who links it. */
export async function backFlow(
  world: World,
  account: { subject?: string; email?: string; isVouched?: boolean } = {},
  linker?: Person,
) {
  const subject = random()
  const claims = {
    issuer: ISSUER,
    subject,
    email: `${subject}@example.com`,
    isVouched: true,
    name: null,
  }
  const { bears: code, client } = await makeFlow(world, 'back', { ...claims, ...account }, linker)
  return { code, codeVerifier: client.codeVerifier }
}
