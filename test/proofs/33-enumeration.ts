import { setTimeout as wait } from 'node:timers/promises'
import { type Answer, PASSWORD, type Sabotage, type World } from '../world.ts'
import { createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'
import { mannWhitney } from './significance.ts'

const SAMPLES = 200
const P_APART = 0.01
const QUIET_WITHIN_MS = 5000
const LOOK_AGAIN_MS = 10

const NO_DUMMY: Sabotage = {
  file: 'src/security/password.ts',
  find: 'const tried = await withSlot(',
  replace: 'if (hash === undefined) return { ok: false, stale: false }\n  const tried = await withSlot(',
}
const LOOKED_UP: Sabotage[] = [
  {
    file: 'src/auth/passwords.ts',
    find: "import { renewStamp, userById } from '#users'",
    replace: "import { renewStamp, userByEmail, userById } from '#users'",
  },
  {
    file: 'src/auth/passwords.ts',
    find: "  await askCode(ctx, 'reset', email)",
    replace: "  if ((await userByEmail(ctx.db, email)).length > 0) await askCode(ctx, 'reset', email)",
  },
]

/** What is asked of a known and of an unknown address, by its path. */
const ASKED: Record<string, object> = {
  login: { password: 'not the right password' },
  'password-reset': {},
  register: { password: PASSWORD, displayName: 'Sam' },
}

type Samples = { known: number[]; unknown: number[]; told: Set<string> }

export const proof: Proof = {
  id: 33,
  name: 'enumeration',
  fast: false,
  sabotages: {
    'an unknown address costs no hash': [NO_DUMMY],
    'a reset looks first whether the address is known': LOOKED_UP,
  },
  async run(world, { seed, share }) {
    const mailed = await world.sabotaged([], { REGISTRATION: 'mailed' })
    const [violations, notes]: [string[], string[]] = [[], []]
    let cases = 0
    try {
      for (const path of Object.keys(ASKED)) {
        const rounds: number[] = []
        // By chance alone one round in a hundred is far apart, and two in a row one in ten thousand.
        while (rounds.length < 2 && rounds.every((p) => p <= P_APART)) {
          const samples = await sample(mailed, path, scaled(SAMPLES, share), seed + rounds.length)
          cases += samples.known.length + samples.unknown.length
          rounds.push(mannWhitney(samples.known, samples.unknown))
          if (samples.told.size > 1) violations.push(`${path} answers ${[...samples.told].join(' or ')}`)
          notes.push(describe(path, samples, rounds.at(-1) ?? 0))
        }
        if (rounds.every((p) => p <= P_APART)) violations.push(`${path} takes another time for a known address`)
      }
      return { cases, violations, notes }
    } finally {
      await mailed.stop()
    }
  },
}

const middle = (values: number[]) => (values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0).toFixed(2)

function describe(path: string, { known, unknown }: Samples, p: number): string {
  return `${path}: median ${middle(known)} ms known, ${middle(unknown)} ms unknown, p = ${p.toPrecision(2)}`
}

/** So many of each, in an order of chance, each when all that the one before it caused is done. */
async function sample(world: World, path: string, count: number, seed: number): Promise<Samples> {
  const known = (await peopleWithPasswords(world, count)).map((email) => ({ email, isKnown: true }))
  const unknown = known.map(() => ({ email: `usr_${crypto.randomUUID().slice(7)}@example.com`, isKnown: false }))
  const samples: Samples = { known: [], unknown: [], told: new Set() }
  for (const email of ['first@example.com', 'second@example.com']) await ask(world, path, email)
  for (const { email, isKnown } of createChance(seed).shuffle([...known, ...unknown])) {
    await untilQuiet(world)
    const answer = await ask(world, path, email)
    samples[isKnown ? 'known' : 'unknown'].push(answer.ms)
    samples.told.add(`${answer.status} ${answer.text.replace(/req_\w+/g, 'req')}`)
  }
  return samples
}

async function ask(world: World, path: string, email: string): Promise<Answer> {
  return await world.call('POST', `/v1/auth/${path}`, { body: { email, ...ASKED[path] } })
}

async function peopleWithPasswords(world: World, count: number): Promise<string[]> {
  const people = await world.people(count)
  // Whose hash it is does not matter where no password is right.
  await world.query(
    `insert into credentials (user_id, password_hash)
      select u.id, '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$dRzY82fgceWJKqstlAB6sn56dYrekptRpYPqbR1lZQg'
      from json_array_elements_text($1::json) as u(id)`,
    [JSON.stringify(people.map(({ userId }) => userId))],
  )
  return people.map(({ email }) => email)
}

async function untilQuiet(world: World): Promise<void> {
  const deadline = performance.now() + QUIET_WITHIN_MS
  do {
    await wait(LOOK_AGAIN_MS)
    const [row] = await world.query(
      "select exists (select 1 from outbox where dispatched_at is null and created_at > now() - interval '5 seconds') as busy",
    )
    if (row?.busy !== true && row?.busy !== 't') return
  } while (performance.now() < deadline)
}
