import { startOauthFake } from '../oauth-fake.ts'
import type { World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { deploymentSecrets, dump, findSecrets, sowCanaries } from './lib-canaries.ts'
import { drive, type Holder, type Load, nextVars, renew, reseal, STEPS } from './lib-rotation.ts'
import {
  connect,
  keepMail,
  keepOthers,
  keepSecrets,
  type Remote,
  startSmallRemote,
  trySwapped,
  trySwaps,
} from './lib-sealed.ts'
import { type Proof, scaled } from './proof.ts'

const PEOPLE = 20
const LEAST_PEOPLE = 3
const SWAPS = 4000
const STEP_SECONDS = 10
const AT_ONCE = 4
const VARS = { ALLOW_LOOPBACK_URLS: 'true', LOG_LEVEL: 'info' }
// What the queue hands over is told as it is, past what the log would strike out.
const HEARD = [
  {
    file: 'workers/consumers.ts',
    find: 'else await consume(',
    replace: 'else console.log(JSON.stringify(batch.messages.map(({ body }) => body))), await consume(',
  },
]

export const proof: Proof = {
  id: 21,
  name: 'secrets',
  fast: false,
  sabotages: {
    'a secret is not bound to its row': [
      {
        file: 'src/security/envelope.ts',
        find: '[table, column, rowId, userId, ',
        replace: '[table, column, userId, ',
      },
    ],
    'a secret is not bound to its person': [
      { file: 'src/security/envelope.ts', find: '[table, column, rowId, userId, ', replace: '[table, column, rowId, ' },
    ],
    'a secret is kept as it is': [
      {
        file: 'src/integrations/access.ts',
        find: 'await seal(config.encryptionKeys, place, value)',
        replace: 'value',
      },
    ],
    'one kind of secret is not sealed anew': [
      { file: 'workers/sealed.ts', find: '...mcpSealed,', replace: '...mcpSealed.slice(1),' },
    ],
    'only the first key verifies': [
      {
        file: 'src/auth/tokens.ts',
        find: 'ctx.config.auth.jwtKeys.find(({ kid }) =>',
        replace: 'ctx.config.auth.jwtKeys.slice(0, 1).find(({ kid }) =>',
      },
    ],
    'only the first key opens': [
      {
        file: 'src/security/envelope.ts',
        find: 'const key = keys.find(',
        replace: 'const key = keys.slice(0, 1).find(',
      },
    ],
    'the log tells who signs in with what': [
      {
        file: 'workers/app.ts',
        find: '  if (c.res.status === 101) return\n  const headers',
        replace:
          "  console.log(c.req.header('authorization'), c.req.url)\n  if (c.res.status === 101) return\n  const headers",
      },
    ],
    'a refusal repeats what was sent': [
      {
        file: 'src/auth/tokens.ts',
        find: "'The access token is not valid or has expired', { cause }",
        replace: "'The access token is not valid: '.concat(token), { cause }",
      },
    ],
  },
  async run(world, { seed, share }) {
    const [remote, fake] = await Promise.all([startSmallRemote(), startOauthFake()])
    fake.metadata['token_endpoint_auth_methods_supported'] = ['client_secret_basic']
    const violations = new Set<string>()
    const report = (what: string) => void violations.add(what)
    const chance = createChance(seed)
    try {
      // What others have sealed, with keys that are gone or in other ways, is not looked at.
      for (const table of ['mcp_servers', 'totp_secrets', 'sign_in_flows', 'webhook_endpoints', 'devices', 'workflows'])
        await world.query(`delete from ${table}`)
      await world.query('update email_messages set content = null')
      const own = await world.sabotaged(HEARD, VARS)
      const scene = { own, remote, chance, share, report }
      const people = await own.people(Math.max(LEAST_PEOPLE, scaled(PEOPLE, share)))
      const kept = await eachOf(people, AT_ONCE, (person) => keepSecrets(person, remote))
      await keepMail(own, people[0]?.userId ?? '')
      const more = await keepOthers(own, people)
      await connect(own, people[0] ?? (await own.person()), fake)
      const swaps = await trySwaps(own, chance, scaled(SWAPS, share), report)
      const swapped = await trySwapped(own, kept.flat(), remote, report)
      const sown = await sowCanaries(own, remote, report)
      const holders = people.map(({ accessToken, refreshToken }, at) => ({
        kept: kept[at] ?? [],
        accessToken,
        refreshToken,
      }))
      const given = Object.fromEntries(
        [...kept.flat().map(({ secret }) => secret), ...fake.secrets, ...more].map((text, at) => [
          `secret ${at} that is kept`,
          text,
        ]),
      )
      const first = deploymentSecrets(own)
      const rotated = await rotate(scene, holders)
      const places = {
        'the database': await dump(world),
        'a log': rotated.logs,
        'a refusal': sown.refused,
        'a mail': JSON.stringify(world.mailbox.messages()),
      }
      const looked = findSecrets({ ...first, ...given, ...sown.secrets }, places, report)
      if (!rotated.logs.includes('outboxId')) report('nothing that the queue handed over was seen')
      const { requests, seconds, older } = rotated
      const notes = [
        `${swaps} openings, ${swapped} swapped rows asked, ${sown.tries} refusals, ${looked} secrets looked for;`,
        `${requests} requests in ${Math.round(seconds)} s (${Math.round(requests / seconds)} a second) while keys were added, promoted and retired;`,
        `${older} texts were on the old key, 0 after`,
      ]
      return { cases: swaps + swapped + looked + requests, violations: [...violations], notes }
    } finally {
      remote.stop()
      fake.close()
    }
  },
}

type Scene = { own: World; remote: Remote; chance: Chance; share: number; report(what: string): void }

/** Moves both kinds of key on, step by step, under load; the Worker before a step and the one after it serve side by side. */
async function rotate({ own, chance, share, report }: Scene, holders: Holder[]) {
  const total: Load & { older: number; logs: string } = { requests: 0, seconds: 0, older: 0, logs: '' }
  const ended = async (world: World) => {
    await world.stop()
    total.logs += world.logs.map(({ message }) => message).join('\n')
  }
  const under = async (worlds: World[], work: () => Promise<void>) => {
    let isOver = false
    const driving = drive(worlds, holders, { chance, report, isOver: () => isOver })
    try {
      await work()
    } finally {
      isOver = true
      const { requests, seconds } = await driving
      total.requests += requests
      total.seconds += seconds
    }
  }
  let current = own
  for (const step of STEPS) {
    // An operator waits until the tokens of the old key are over, ten minutes, before it goes.
    if (step === 'retire') await eachOf(holders, AT_ONCE, (holder) => renew(current, holder, report))
    let next: World | undefined
    await under([current], async () => {
      next = await current.sabotaged([], await nextVars(current.vars, step))
    })
    if (!next) throw new Error('no next Worker')
    const [before, after] = [current, next]
    await under([before, after], () => seconds(scaled(STEP_SECONDS, share)))
    current = after
    await ended(before)
    // Who sealed with the old key is gone: what is left of it is sealed anew while people read.
    if (step !== 'promote') continue
    await under([current], async () => {
      total.older += await reseal(current, report)
      await seconds(1)
    })
  }
  await under([current], () => seconds(scaled(STEP_SECONDS, share)))
  const left = await reseal(current, report)
  if (left > 0) report(`${left} texts are on a key that is gone`)
  await ended(current)
  return total
}

const seconds = (count: number) => new Promise<void>((resolve) => void setTimeout(resolve, count * 1000))
