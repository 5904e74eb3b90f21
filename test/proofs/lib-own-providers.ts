import { confirmedApp } from '../matrix-factors.ts'
import { awayFlow, backFlow, ISSUER } from '../matrix-flows.ts'
import { makeId, type World } from '../world.ts'
import { type Try, withBody, withHeaders, withPath, withRaw } from './lib-tries.ts'

/** What only the verbs behind signing in by others refuse. */
export const OWN_PROVIDERS: Record<string, (world: World, asked: Try) => Promise<Try[]>> = {
  startProviderSignIn: async (_, asked) => [withPath(asked, '/v1/auth/providers/microsoft/start')],
  leaveForProvider: async (_, asked) => [
    withPath(asked, asked.request.path.replace('google', 'microsoft')),
    withPath(asked, `/v1/auth/providers/google/start?flow=${'x'.repeat(43)}`),
  ],
  comeBackFromProvider: async (_, asked) => [
    withPath(asked, asked.request.path.replace('google', 'microsoft')),
    withHeaders(asked, { cookie: 'none=1' }),
  ],
  comeBackWithForm: async (world, asked) => {
    const { query } = await awayFlow(world)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    return [
      withPath(asked, '/v1/auth/providers/microsoft/callback'),
      withRaw(asked, query, { ...form, cookie: 'none=1' }),
    ]
  },
  exchangeProviderCode: async (world, asked) => {
    const subject = makeId('idt')
    await confirmedApp(asked.owner)
    await world.query(
      `insert into identities (id, user_id, provider, issuer, subject) values ($1, $2, 'google', $3, $1)`,
      [subject, asked.owner.userId, ISSUER],
    )
    return [
      withBody(asked, await backFlow(world, { isVouched: false })),
      withBody(asked, await backFlow(world, { email: asked.owner.email })),
      withBody(asked, await backFlow(world, { subject })),
      withBody(asked, { code: 'x'.repeat(43), codeVerifier: 'x'.repeat(43) }),
    ]
  },
  startIdentityLink: async (_, asked) => [
    withBody(asked, { ...Object(asked.request.options.body), provider: 'microsoft' }),
  ],
  linkIdentity: async (world, asked) => [
    withBody(asked, await backFlow(world, {}, asked.owner)),
    withBody(asked, await backFlow(world, {}, asked.owner)),
    withBody(asked, { code: 'x'.repeat(43), codeVerifier: 'x'.repeat(43) }),
  ],
  unlinkIdentity: async (world, asked) => {
    await world.query('delete from credentials where user_id = $1', [asked.owner.userId])
    return [asked]
  },
}
