import { type Answer, makeId, makeRefreshToken, type Person, tokenHash, type World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { type Proof, scaled } from './proof.ts'

const FAMILIES = 1000
const DOUBLES = 200
const CROWDS = 40
const CROWD = 50
const MAX_STEPS = 5
const AT_ONCE = 8

/** Where a family is: every refresh token it ever gave, oldest first, and the access tokens beside them. */
type Family = { person: Person; refreshTokens: string[]; accessTokens: string[] }

export const proof: Proof = {
  id: 12,
  name: 'refresh replay',
  fast: true,
  sabotages: {
    'a replay is taken for an honest second try': [
      { file: 'src/auth/sessions.ts', find: "else 'replay' end as verdict", replace: "else 'grace' end as verdict" },
    ],
    'a replay is refused and the family lives on': [
      {
        file: 'src/auth/sessions.ts',
        find: "where verdict = 'replay')`, isNull(sessions.endedAt)",
        replace: "where verdict = 'never')`, isNull(sessions.endedAt)",
      },
    ],
    'the successor is drawn, not derived': [
      {
        file: 'src/auth/sessions.ts',
        find: 'const successor = successorOf(ctx, input.refreshToken)',
        replace: 'const successor = successorOf(ctx, input.refreshToken + crypto.randomUUID())',
      },
    ],
    'the end of a session is not told': [
      {
        file: 'src/auth/sessions.ts',
        find: "const told = tellEnded(db, ended, 'replay')",
        replace: "const told = db.$with('told', {}).as(sql`select id from ended where false`)",
      },
    ],
  },
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const violations: string[] = []
    const counts = { families: scaled(FAMILIES, share), doubles: scaled(DOUBLES, share), crowds: scaled(CROWDS, share) }
    const total = counts.families + counts.doubles + counts.crowds
    const families = (await world.people(total)).map(
      (person): Family => ({ person, refreshTokens: [person.refreshToken], accessTokens: [person.accessToken] }),
    )
    const [replayed, doubled, crowded] = [
      families.slice(0, counts.families),
      families.slice(counts.families, counts.families + counts.doubles),
      families.slice(counts.families + counts.doubles),
    ]
    const report = (what: string) => void violations.push(what)
    await eachOf(replayed, AT_ONCE, async (family) => await tryReplay(world, chance, family, report))
    await tryAudit(world, replayed, report)
    await eachOf(doubled, AT_ONCE, async (family) => await tryDouble(world, chance, family, report))
    for (const family of crowded) await tryCrowd(world, chance, family, report)
    await tryStrangers(world, report)
    const notes = [
      `${counts.families} families replayed, ${counts.doubles} honest doubles, ${counts.crowds} crowds of ${CROWD}`,
    ]
    return { cases: total, violations, notes }
  },
}

const present = (world: World, refreshToken: string) =>
  world.call('POST', '/v1/auth/refresh', { body: { refreshToken } })
const codeOf = (answer: Answer) => /"code":"(\w+)"/.exec(answer.text)?.[1] ?? String(answer.status)
const nextOf = (answer: Answer): string | undefined => /"refreshToken":"([^"]+)"/.exec(answer.text)?.[1]

/** One honest step: the newest token is changed for the next. */
async function step(world: World, family: Family): Promise<void> {
  const answer = await present(world, family.refreshTokens.at(-1) ?? '')
  if (answer.status !== 200) throw new Error(`an honest refresh is answered ${answer.status}: ${answer.text}`)
  const { refreshToken, accessToken } = JSON.parse(answer.text)
  family.refreshTokens.push(refreshToken)
  family.accessTokens.push(accessToken)
}

type Report = (what: string) => void

/** A used token comes back: long after its successor was used too, or alone, when the grace is over. */
async function tryReplay(world: World, chance: Chance, family: Family, report: Report): Promise<void> {
  const isLate = chance.next() < 0.3
  const steps = (isLate ? 1 : 2) + chance.int(MAX_STEPS - 1)
  for (let taken = 0; taken < steps; taken++) await step(world, family)
  const used = family.refreshTokens.slice(0, -1)
  const replayed = isLate ? used.at(-1) : chance.pick(used.slice(0, -1))
  if (replayed === undefined) throw new Error('nothing to replay')
  if (isLate) await passGrace(world, replayed)
  const answer = await present(world, replayed)
  if (answer.status !== 401 || codeOf(answer) !== 'token_replayed')
    report(`token ${family.refreshTokens.indexOf(replayed) + 1} of ${steps + 1}, replayed: ${codeOf(answer)}`)
  for (const token of chance.shuffle(family.refreshTokens)) {
    const later = await present(world, token)
    if (later.status !== 401) report(`a member of a replayed family is answered ${later.status}`)
  }
  for (const token of family.accessTokens.slice(-2)) {
    const later = await world.call('GET', '/v1/me', { token })
    if (later.status !== 401) report(`an access token of a replayed family is answered ${later.status}`)
  }
}

async function passGrace(world: World, token: string): Promise<void> {
  await world.query("update refresh_tokens set used_at = used_at - interval '11 seconds' where hash = $1", [
    tokenHash(token),
  ])
}

/** Every family that ended was told of exactly once, with the reason. */
async function tryAudit(world: World, families: Family[], report: Report): Promise<void> {
  const ids = `{${families.map(({ person }) => person.sessionId).join(',')}}`
  const rows = await world.query(
    `select s.id, s.end_reason, count(o.id)::int as events, min(o.data->>'reason') as told
      from sessions s left join outbox o on o.key = s.id and o.type = 'session.ended'
      where s.id = any($1::text[]) group by s.id`,
    [ids],
  )
  for (const row of rows) {
    if (row.end_reason !== 'replay') report(`a replayed family ended by ${row.end_reason}`)
    if (row.events !== 1 || row.told !== 'replay') report(`the end of a family was told ${row.events} times`)
  }
  if (rows.length !== families.length) report(`${rows.length} of ${families.length} families are there`)
}

/** An honest client asks twice, at once or one after the other: the same successor, which works. */
async function tryDouble(world: World, chance: Chance, family: Family, report: Report): Promise<void> {
  for (let taken = chance.int(3); taken > 0; taken--) await step(world, family)
  const current = family.refreshTokens.at(-1) ?? ''
  const ask = () => present(world, current)
  const answers = chance.next() < 0.5 ? await Promise.all([ask(), ask(), ask()]) : [await ask(), await ask()]
  const successors = new Set(answers.map(nextOf))
  const [successor] = successors
  if (successors.size !== 1 || successor === undefined)
    return report(
      `an honest second try is given ${answers.map((answer) => nextOf(answer) ?? codeOf(answer)).join(', ')}`,
    )
  const went = await present(world, successor)
  if (went.status !== 200) report(`the successor of a double is answered ${codeOf(went)}`)
}

/** Fifty at once with the same token, some with its ancestor: one branch lives at most, and generations do not fork. */
async function tryCrowd(world: World, chance: Chance, family: Family, report: Report): Promise<void> {
  await step(world, family)
  const [ancestor = '', current = ''] = family.refreshTokens
  const isMixed = chance.next() < 0.5
  const crowd = Array.from({ length: CROWD }, () => (isMixed && chance.next() < 0.1 ? ancestor : current))
  const answers = await Promise.all(crowd.map((token) => present(world, token)))
  const strange = answers.find(({ status }) => status !== 200 && status !== 401)
  if (strange) report(`one of a crowd is answered ${strange.status} ${codeOf(strange)}`)
  const successors = new Set(
    answers.flatMap((answer, index) => (crowd[index] === current ? (nextOf(answer) ?? []) : [])),
  )
  if (successors.size > 1) report(`a crowd was given ${successors.size} successors`)
  if (!isMixed && answers.some(({ status }) => status !== 200)) report('an honest crowd is refused')
  const [row] = await world.query(
    `select count(*) filter (where r.used_at is null and s.ended_at is null)::int as live,
      (count(*) - count(distinct r.generation))::int as forks
      from refresh_tokens r join sessions s on s.id = r.session_id where s.id = $1`,
    [family.person.sessionId],
  )
  if (Number(row?.live) > 1) report(`a family has ${row?.live} live branches`)
  if (Number(row?.forks) > 0) report(`a family forked at ${row?.forks} generations`)
}

/** What is no member of any live family: unknown, expired, idle too long, ended. */
async function tryStrangers(world: World, report: Report): Promise<void> {
  const [expired, idle, ended] = await world.people(3)
  if (!expired || !idle || !ended) throw new Error('no people')
  await world.query("update sessions set expires_at = now() - interval '1 second' where id = $1", [expired.sessionId])
  await world.query("update sessions set last_used_at = now() - interval '31 days' where id = $1", [idle.sessionId])
  await ended.api('POST', '/v1/auth/logout')
  const tries: [string, string][] = [
    ['an unknown token', makeRefreshToken()],
    ['an id in place of a token', `rt_${makeId('rft').padEnd(43, '0')}`],
    ['a token of an expired session', expired.refreshToken],
    ['a token of an idle session', idle.refreshToken],
    ['a token of a session that logged out', ended.refreshToken],
  ]
  for (const [what, token] of tries) {
    const answer = await present(world, token)
    if (answer.status !== 401) report(`${what} is answered ${answer.status}`)
  }
}
