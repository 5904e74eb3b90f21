import { askedToSign, confirmedApp, makeChallenges, passkeyOf } from '../matrix-factors.ts'
import { OBJECTS } from '../matrix-objects.ts'
import { firstPassword, mailedCode } from '../matrix-valid.ts'
import { type Answer, makeRefreshToken, PASSWORD, type Person, tokenHash, type World } from '../world.ts'
import { handshake } from './lib-handshake.ts'
import { type Proof, scaled } from './proof.ts'

const ROUNDS = 50
const CROWD = 100
const PROVE = 'src/auth/prove.ts'

/** The try of each of a crowd, and what else must be so after it: the rest is a violation. */
type Round = { attempt(n: number): Promise<Pick<Answer, 'status'>>; audit?(): Promise<string[]> }
/** Something that is good for one, made anew for each round. */
type Race = { what: string; success: number; make(world: World, person: Person): Promise<Round> }

const answer = (world: World, body: object) => world.call('POST', '/v1/auth/challenge', { body })

/** How many sessions came to be besides the one the person began with: every success is one, and nothing else is. */
const sessionsOf =
  (world: World, { userId, sessionId }: Person) =>
  async () => {
    const rows = await world.query('select id from sessions where user_id = $1 and id <> $2', [userId, sessionId])
    return rows.length === 1 ? [] : [`${rows.length} sessions came of it`]
  }

/** Whatever is limited to one. What is added here is raced for too. */
const RACES: Race[] = [
  {
    what: 'a code of an app, for as many challenges',
    success: 200,
    async make(world, person) {
      const { next } = await confirmedApp(person)
      const [code, challenges] = [next(), await makeChallenges(world, person, CROWD)]
      return {
        attempt: (n) => answer(world, { challenge: challenges[n], method: 'totp', code }),
        audit: sessionsOf(world, person),
      }
    },
  },
  {
    what: 'a recovery code, for as many challenges',
    success: 200,
    async make(world, person) {
      const { codes } = await confirmedApp(person)
      const challenges = await makeChallenges(world, person, CROWD)
      return {
        attempt: (n) => answer(world, { challenge: challenges[n], method: 'recovery_code', code: codes[0] }),
        audit: sessionsOf(world, person),
      }
    },
  },
  {
    what: 'a challenge, by every code there is',
    success: 200,
    async make(world, person) {
      const { codes, next } = await confirmedApp(person)
      const [challenge] = await makeChallenges(world, person, 1)
      const bodies = [{ method: 'totp', code: next() }, ...codes.map((code) => ({ method: 'recovery_code', code }))]
      const sessions = sessionsOf(world, person)
      return {
        attempt: (n) => answer(world, { challenge, ...bodies[n % bodies.length] }),
        async audit() {
          const used = await world.query(
            `select hash from recovery_codes where user_id = $1 and used_at is not null
              union all select id from totp_secrets where user_id = $1 and failures = 0 and failed_at is null
                and exists (select 1 from sessions where user_id = $1 and 'totp' = any(methods))`,
            [person.userId],
          )
          return [...(await sessions()), ...(used.length === 1 ? [] : [`${used.length} codes were used up`])]
        },
      }
    },
  },
  {
    what: 'what a passkey signed',
    success: 200,
    async make(world, person) {
      // One that does not count, as those on several devices do not: only the challenge is used up.
      const device = await passkeyOf(world, person, { counter: 0 })
      const response = device.get(await askedToSign(world), { counter: 0 })
      return {
        attempt: () => world.call('POST', '/v1/auth/passkeys/sign-in', { body: { response } }),
        audit: sessionsOf(world, person),
      }
    },
  },
  {
    what: 'a code of an app, for a step-up',
    success: 200,
    async make(world, person) {
      const { next } = await confirmedApp(person)
      const body = { method: 'totp', code: next() }
      return { attempt: () => person.api('POST', '/v1/auth/step-up', { body }), audit: sessionsOf(world, person) }
    },
  },
  {
    what: 'a mailed link that signs in',
    success: 200,
    async make(world, person) {
      const body = { token: await mailedCode(world, 'link', person) }
      return {
        attempt: () => world.call('POST', '/v1/auth/magic-link/confirm', { body }),
        audit: sessionsOf(world, person),
      }
    },
  },
  {
    what: 'a mailed link that confirms an address',
    success: 204,
    async make(world, person) {
      await firstPassword(world, person)
      const body = { token: await mailedCode(world, 'verify', person), password: PASSWORD }
      return { attempt: () => world.call('POST', '/v1/auth/verify-email/confirm', { body }) }
    },
  },
  {
    what: 'the code an app was given',
    success: 200,
    async make(world, person) {
      const [code, verifier] = [makeRefreshToken().slice(3), makeRefreshToken().slice(3)]
      const id = await OBJECTS['/v1/oauth/grants']?.make(world, person, 'an app')
      const [grant] = await world.query(
        `update oauth_grants set code_hash = $2, challenge = $3, code_used_at = null, code_expires_at = now() + interval '1 minute',
          resource = $4 where id = $1 returning client_id, session_id`,
        [id, tokenHash(code), tokenHash(verifier), world.vars.PUBLIC_URL],
      )
      const given = {
        grant_type: 'authorization_code',
        code,
        code_verifier: verifier,
        client_id: `${grant?.client_id}`,
      }
      const raw = new URLSearchParams(given).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      return {
        async attempt() {
          // Not of the document.
          const answer = await fetch(`${world.url}/oauth/token`, { method: 'POST', headers, body: raw })
          await answer.body?.cancel()
          return answer
        },
        async audit() {
          // Whoever brought it again ended what the first was given.
          const sql = `select s.ended_at is not null as ended, (select count(*)::int from refresh_tokens r where r.session_id = s.id) as tokens
            from sessions s where s.id = $1`
          const [row] = await world.query(sql, [grant?.session_id])
          const problems = row?.ended === true ? [] : ['a code that came again ended nothing']
          return row?.tokens === 1 ? problems : [...problems, `${row?.tokens} families began`]
        },
      }
    },
  },
  {
    what: 'a ticket for a socket',
    success: 101,
    async make(world, person) {
      const { ticket } = JSON.parse((await person.api('POST', '/v1/realtime/ticket')).text)
      return { attempt: () => handshake(`${world.url}/v1/realtime?ticket=${ticket}`) }
    },
  },
]

export const proof: Proof = {
  id: 19,
  name: 'races',
  fast: true,
  sabotages: {
    'a code of an app is good for all of its half minute': [
      { file: PROVE, find: 'and last_step <', replace: 'and last_step <=' },
    ],
    'a recovery code is not used up': [{ file: PROVE, find: 'and used_at is null and', replace: 'and' }],
    'a challenge outlives its success': [
      {
        file: 'src/auth/second-step.ts',
        find: 'const open = and(eq(c.hash, hash), isNull(c.usedAt), gt',
        replace: 'const open = and(eq(c.hash, hash), gt',
      },
    ],
    'what a passkey signed works again': [
      { file: PROVE, find: '.delete(c)', replace: '.update(c).set({ sessionId: null })' },
    ],
    'a mailed link works again': [
      {
        file: 'src/auth/codes.ts',
        find: `    ctx.db
      .delete(authCodes)
      .where(and(isLive(ctx, kind, hash), also))`,
        replace: `    ctx.db
      .update(authCodes)
      .set({ tries: 0 })
      .where(and(isLive(ctx, kind, hash), also))`,
      },
    ],
    'the code of an app works again': [
      { file: 'src/oauth/tokens.ts', find: "when code_used_at is not null then 'replay'", replace: '' },
    ],
    'a ticket opens again': [
      {
        file: 'src/realtime/tickets.ts',
        find: "'delete from tickets where hash = ? returning session_id, origin, expires_ms'",
        replace: "'select session_id, origin, expires_ms from tickets where hash = ?'",
      },
    ],
  },
  async run(world, { share }) {
    const rounds = scaled(ROUNDS, share)
    const violations: string[] = []
    for (const race of RACES) {
      for (const person of await world.people(rounds)) violations.push(...(await run(race, world, person)))
    }
    const cases = RACES.length * rounds
    return { cases, violations, notes: [`${CROWD} at once for each of ${RACES.map(({ what }) => what).join('; ')}`] }
  },
}

async function run({ what, success, make }: Race, world: World, person: Person): Promise<string[]> {
  const { attempt, audit } = await make(world, person)
  const answers = await Promise.all(Array.from({ length: CROWD }, (_, n) => attempt(n)))
  const failures = answers.filter(({ status }) => status >= 500)
  const successes = answers.filter(({ status }) => status === success)
  const found = successes.length === 1 ? [] : [`${successes.length} successes`]
  if (failures.length > 0) found.push(`${failures.length} answered ${failures[0]?.status}`)
  return [...found, ...((await audit?.()) ?? [])].map((problem) => `${what}: ${problem}`)
}
