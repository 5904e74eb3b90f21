import type { Case } from './lib-oauth.ts'
import { FLOW_ATTACKS } from './lib-oauth-flows.ts'
import { TOKEN_ATTACKS } from './lib-oauth-tokens.ts'
import { linkAccount, NAMES, openScene, type Scene } from './lib-sign-in.ts'
import type { Proof } from './proof.ts'

const SLOW_MS = 12_000
const ATTACKS = [...FLOW_ATTACKS, ...TOKEN_ATTACKS]

export const proof: Proof = {
  id: 15,
  name: 'oauth attacks',
  fast: true,
  sabotages: {
    'the nonce is not compared': [
      { file: 'src/auth/id-token.ts', find: 'if (!isSame(shown, nonce))', replace: 'if (!shown)' },
    ],
    'any browser may come back': [
      { file: 'src/auth/flows.ts', find: ', eq(f.browserHash, browserHash))', replace: ')' },
    ],
    'a browser may come back twice': [
      {
        file: 'src/auth/flows.ts',
        find: 'await ctx.db.delete(f).where(isHere).returning()\n  if (!flow) throw',
        replace: 'await ctx.db.select().from(f).where(isHere)\n  if (!flow) throw',
      },
    ],
    'the verifier of the client is not asked for': [
      {
        file: 'src/auth/flows.ts',
        find: '!isSame(await challengeOf(codeVerifier), flow.challenge)',
        replace: '!(await challengeOf(codeVerifier))',
      },
    ],
    'another server may answer': [
      {
        file: 'src/auth/federation.ts',
        find: 'if (iss !== undefined && !idp.isIssuer(iss))',
        replace: 'if (iss === "")',
      },
    ],
    'a token of any issuer will do': [
      { file: 'src/auth/id-token.ts', find: 'if (!idp.isIssuer(iss))', replace: 'if (iss === "")' },
    ],
    'an account is known by its subject alone': [
      {
        file: 'src/auth/federation.ts',
        find: '.where(isAccount({ issuer, subject }))',
        replace: '.where(isAccount({ issuer, subject }) && eq(identities.subject, subject))',
      },
    ],
    'an address nobody vouches for makes a person': [
      { file: 'src/auth/id-token.ts', find: 'idp.vouches && isVerified && email !== null', replace: 'email !== null' },
    ],
    'a browser is sent anywhere': [
      {
        file: 'src/auth/federation.ts',
        find: 'if (config.signIn.returnUrls.some(',
        replace: 'if (returnTo || [""].some(',
      },
    ],
  },
  async run(world, { share }) {
    const scene = await openScene(world)
    const violations: string[] = []
    try {
      // Apple's makes a person of its own.
      for (const name of ['google', 'microsoft'] as const) await linkAccount(scene, scene.victim, name)
      // The slow one waits at Microsoft's while the others are tried.
      const isWhole = share === 1
      const slow = isWhole ? trySlow(scene) : []
      const [before, after] = [
        ATTACKS.filter(({ at }) => at !== 'microsoft'),
        ATTACKS.filter(({ at }) => at === 'microsoft'),
      ]
      for (const attack of before) violations.push(...(await tryOne(scene, attack)))
      violations.push(...(await slow))
      for (const attack of after) violations.push(...(await tryOne(scene, attack)))
      violations.push(...(await tryHonest(scene)))
      violations.push(...scene.world.contract.drift)
      const cases = ATTACKS.length + (isWhole ? 1 : 0) + NAMES.length
      const notes = [
        `${cases - NAMES.length} attacks, each refused as it should be; ${NAMES.length} honest sign-ins let in`,
      ]
      return { cases, violations, notes }
    } finally {
      await scene.close()
    }
  },
}

async function tryOne(scene: Scene, { name, refused, run }: Case): Promise<string[]> {
  const said = await run(scene).catch((error: unknown) => `broke: ${error}`)
  return refused.test(said) ? [] : [`${name}: ${said}`]
}

async function trySlow({ attempt }: Scene): Promise<string[]> {
  const started = performance.now()
  const said = await attempt({ name: 'microsoft', ways: { fault: () => undefined } })
  const ms = performance.now() - started
  return said === 'error=provider_failed' && ms < SLOW_MS
    ? []
    : [`a token endpoint that never answers: ${said} after ${ms} ms`]
}

/** Whoever is honest is let in as themselves. */
async function tryHonest({ attempt, victim }: Scene): Promise<string[]> {
  const wrong: string[] = []
  for (const name of NAMES) {
    const said = await attempt({ name })
    const isRight = name === 'apple' ? /^200 usr_/.test(said) : said === `200 ${victim.userId}`
    if (!isRight) wrong.push(`an honest sign-in by ${name}: ${said}`)
  }
  return wrong
}
