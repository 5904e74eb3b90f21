import { createBrowser, exchange, locationOf, makeClient, type Step } from '../sign-in-browser.ts'
import { resigned, rsa } from './lib-idp.ts'
import { type Case, GONE, INVALID, NOT_TRUE, tried } from './lib-oauth.ts'
import { codeOf, type Name, outcomeOf, redeem, type Scene, visit } from './lib-sign-in.ts'

const told = (name: string, change: (query: URLSearchParams) => void, refused: RegExp): Case =>
  tried(name, refused, {
    back: (step) => {
      const url = new URL(step.url)
      change(url.searchParams)
      return { ...step, url }
    },
  })

/** Comes back as `change` has it, with what another flow of the same person brought. */
const crossed = (
  name: string,
  refused: RegExp,
  change: (mine: URL, theirs: URL) => void,
  at: Name = 'google',
): Case => ({
  name,
  at,
  refused,
  async run(scene) {
    const mine = await visit(scene, { name: at })
    const theirs = await visit(scene, { name: at })
    const [a, b] = [mine, theirs].map(({ step }) => withForm(step))
    if (!a || !b) throw new Error('two flows')
    change(a, b)
    const form = Object.fromEntries(a.searchParams)
    const answer = await mine.browser.send(mine.step.form ? { ...mine.step, form } : { ...mine.step, url: a })
    if (answer.status !== 303 || !codeOf(answer)) return outcomeOf(answer)
    return await redeem(scene.world, codeOf(answer), mine.client)
  },
})
const withForm = ({ url, form }: Step) => new URL(form ? `${url}?${new URLSearchParams(form)}` : url)
const put = (name: string) => (mine: URL, theirs: URL) =>
  mine.searchParams.set(name, theirs.searchParams.get(name) ?? '')

const STATES: Case[] = [
  told('no state', (query) => query.delete('state'), INVALID),
  told('an empty state', (query) => query.set('state', ''), INVALID),
  told('a state that was made up', (query) => query.set('state', 'A'.repeat(43)), GONE),
  told('two states', (query) => query.append('state', 'A'.repeat(43)), INVALID),
  crossed("another browser's state", GONE, put('state')),
  crossed("another browser's whole answer", GONE, (mine, theirs) => {
    mine.search = theirs.search
  }),
  {
    name: 'the same answer twice',
    refused: GONE,
    async run(scene) {
      const { step, browser } = await visit(scene, {})
      locationOf(await browser.send(step))
      return outcomeOf(await browser.send(step))
    },
  },
  {
    name: 'an answer after ten minutes',
    refused: GONE,
    async run(scene) {
      const { step, browser } = await visit(scene, {})
      await scene.world.query("update sign_in_flows set expires_at = now() - interval '1 second'")
      return outcomeOf(await browser.send(step))
    },
  },
  {
    name: 'an answer in another browser',
    refused: GONE,
    async run(scene) {
      const { step } = await visit(scene, {})
      return outcomeOf(await createBrowser(scene.world.call).send(step))
    },
  },
  {
    name: 'an answer in a browser that has a cookie of its own',
    refused: GONE,
    async run(scene) {
      const [mine, theirs] = [await visit(scene, {}), await visit(scene, {})]
      return outcomeOf(await theirs.browser.send(mine.step))
    },
  },
  {
    name: 'two cookies, one of them right',
    refused: GONE,
    async run(scene) {
      const { step, browser } = await visit(scene, {})
      const [[name, value] = []] = browser.cookies
      const cookie = `${name}=${'A'.repeat(43)}; ${name}=${value}`
      return outcomeOf(await browser.send(step, { cookie }))
    },
  },
  {
    name: 'the first address opened twice, by another',
    refused: GONE,
    async run(scene) {
      const { start } = await visit(scene, {})
      return outcomeOf(await createBrowser(scene.world.call).send(start))
    },
  },
  told('no code', (query) => query.delete('code'), NOT_TRUE),
  told('a person who declined', (query) => query.set('error', 'access_denied'), /^error=access_denied$/),
]

const CLIENTS: Case[] = [
  crossed("another sign-in's code, behind PKCE", /^error=(?:sign_in_refused|provider_failed)$/, put('code')),
  crossed("another sign-in's code, where the nonce alone binds it", NOT_TRUE, put('code'), 'apple'),
  tried('a challenge taken away on the way', /^error=provider_failed$/, {
    away: (url) => {
      for (const name of ['code_challenge', 'code_challenge_method']) url.searchParams.delete(name)
    },
  }),
  tried('a challenge made plain on the way', /^error=provider_failed$/, {
    away: (url) => url.searchParams.set('code_challenge_method', 'plain'),
  }),
  tried('our code for a client that did not begin', GONE, { exchanger: makeClient() }),
  {
    name: 'our code by a wrong verifier, then by the right one',
    refused: GONE,
    async run(scene) {
      const { step, browser, client } = await visit(scene, {})
      const code = codeOf(await browser.send(step))
      await redeem(scene.world, code, makeClient())
      return await redeem(scene.world, code, client)
    },
  },
  {
    name: 'our code twice',
    refused: GONE,
    async run(scene) {
      const { step, browser, client } = await visit(scene, {})
      const code = codeOf(await browser.send(step))
      const first = await redeem(scene.world, code, client)
      return first === `200 ${scene.victim.userId}` ? await redeem(scene.world, code, client) : first
    },
  },
  {
    name: 'our code after a minute',
    refused: GONE,
    async run(scene) {
      const { step, browser, client } = await visit(scene, {})
      const code = codeOf(await browser.send(step))
      await scene.world.query("update sign_in_flows set expires_at = now() - interval '1 second'")
      return await redeem(scene.world, code, client)
    },
  },
  {
    name: 'a challenge that is the verifier itself',
    refused: GONE,
    run: ({ attempt }) => {
      const { codeVerifier } = makeClient()
      return attempt({ client: { codeVerifier, codeChallenge: codeVerifier } })
    },
  },
  ...(['state', 'flow'] as const).map(
    (name): Case => ({
      name: `a ${name} for a code`,
      refused: GONE,
      async run(scene) {
        const { url, start, client } = await visit(scene, {})
        return await redeem(scene.world, (name === 'state' ? url : start.url).searchParams.get(name), client)
      },
    }),
  ),
  {
    name: 'a verifier that is too short',
    refused: INVALID,
    run: async ({ world }) =>
      outcomeOf(await exchange(world.call, 'A'.repeat(43), { codeVerifier: 'short', codeChallenge: '' })),
  },
  {
    name: 'a start without a challenge',
    refused: INVALID,
    run: async ({ world }) =>
      outcomeOf(
        await world.call('POST', '/v1/auth/providers/google/start', {
          body: { returnTo: 'http://127.0.0.1/signed-in' },
        }),
      ),
  },
  {
    name: 'the code of a link, to sign in by',
    refused: GONE,
    async run(scene) {
      const [linker] = await scene.world.people(1)
      if (!linker) throw new Error('nobody was made')
      const { step, browser, client } = await visit(scene, { linker })
      return await redeem(scene.world, codeOf(await browser.send(step)), client)
    },
  },
  {
    name: 'the code of a sign-in, to link by',
    refused: GONE,
    async run(scene) {
      const { step, browser, client } = await visit(scene, {})
      const body = { code: codeOf(await browser.send(step)), codeVerifier: client.codeVerifier }
      const [other] = await scene.world.people(1)
      return other ? outcomeOf(await other.api('POST', '/v1/auth/identities', { body })) : 'nobody was made'
    },
  },
]

const MIX_UPS: Case[] = [
  {
    name: 'an answer of another server, whose code is shown to nobody',
    refused: NOT_TRUE,
    async run({ attempt, idps }) {
      const before = idps.google.asked
      const said = await attempt({
        back: (step) => ({ ...step, url: new URL(`${step.url}&iss=https://evil.example`) }),
      })
      return idps.google.asked === before ? said : 'the code was shown'
    },
  },
  {
    name: "an answer to another provider's address",
    refused: GONE,
    run: ({ attempt }) =>
      attempt({ back: (step) => ({ ...step, url: new URL(step.url.href.replace('/google/', '/microsoft/')) }) }),
  },
  {
    name: "an ID token of another provider's",
    refused: NOT_TRUE,
    run: ({ attempt, idps }) =>
      attempt({ ways: { forge: (token) => resigned(token, {}, { iss: idps.apple.url }, rsa(idps.apple.key)) } }),
  },
  {
    name: "an ID token that names another provider, by the right one's key",
    refused: NOT_TRUE,
    run: ({ attempt, idps }) => attempt({ ways: { claims: { iss: idps.apple.url } } }),
  },
]

const apples = (name: string, refused: RegExp, send: (step: Step, scene: Scene) => Promise<string>): Case => ({
  name: `Apple's form ${name}`,
  at: 'apple',
  refused,
  async run(scene) {
    const { step } = await visit(scene, { name: 'apple' })
    return await send(step, scene)
  },
})
const FORMS: Case[] = [
  apples('without the cookie', GONE, async (step, { world }) => outcomeOf(await createBrowser(world.call).send(step))),
  apples('as a query', INVALID, async ({ url, form }, { world }) =>
    outcomeOf(await world.call('POST', `${url.pathname}?${new URLSearchParams(form)}`)),
  ),
  apples('as JSON', /^415 unsupported_media_type$/, async ({ url, form }, { world }) =>
    outcomeOf(await world.call('POST', url.pathname, { body: form })),
  ),
  apples('with two states', INVALID, async ({ url, form }, { world }) => {
    const raw = `${new URLSearchParams(form)}&state=${'A'.repeat(43)}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return outcomeOf(await world.call('POST', url.pathname, { raw, headers }))
  }),
]

const RETURNS: Case[] = [
  'https://evil.example/signed-in',
  'https://app.example.com/signed-in/',
  'https://app.example.com/signed-in?next=https://evil.example',
  'https://app.example.com/signed-in#x',
  'https://app.example.com.evil.example/signed-in',
  'https://app.example.com@evil.example/signed-in',
  'https://app.example.com:8443/signed-in',
  'http://app.example.com/signed-in',
  'http://127.0.0.1:1@evil.example/signed-in',
  'http://127.0.0.1.evil.example/signed-in',
  'http://127.0.0.1:80:80/signed-in',
  'http://127.0.0.1:49152/elsewhere',
  'https://127.0.0.1:49152/signed-in',
  'http://localhost:49152/signed-in',
  'javascript:alert(1)',
].map((returnTo) => ({
  name: `to return to ${returnTo}`,
  refused: INVALID,
  run: async ({ world }) => {
    const body = { returnTo, codeChallenge: makeClient().codeChallenge }
    return outcomeOf(await world.call('POST', '/v1/auth/providers/google/start', { body }))
  },
}))

/** What is done on the way there and back, and to what our own addresses are given. */
export const FLOW_ATTACKS: Case[] = [...STATES, ...CLIENTS, ...MIX_UPS, ...FORMS, ...RETURNS]
