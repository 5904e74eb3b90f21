import { setTimeout as wait } from 'node:timers/promises'
import { flushLedger } from '../matrix-audit.ts'
import { type Bill, startUpstream } from '../upstream.ts'
import { wholeVars } from '../upstream-whole.ts'
import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { ENTRIES, mcpSession, type Said } from './lib-entries.ts'
import { leftBehind } from './lib-left.ts'
import { type Proof, scaled } from './proof.ts'

const ROUNDS = 10
const STREAMS = 100
// A short run keeps more of the streams than of the rounds: it is their number at once that is the trouble.
const STREAMS_KEPT = 5
// What one stream may have on average; its worst case is many times that.
const LEAST_MICROS = 2_500
const MOST_MICROS = 6_000
// Every other round leaves room for what goes on where a stream broke.
const LOOSER = 5
// Of the person's own: for runs and for what is due.
const BACKGROUND_SHARE = 0.5
const LOOK_EACH_MS = 25
const QUIET_LOOKS = 8
const QUIET_WITHIN_MS = 30_000

type Line = { micros: number; isEstimated: boolean; outcome: string; account: Account }
type Account = (typeof ACCOUNTS)[number]
const ACCOUNTS = ['own', 'background'] as const
type Report = (what: string) => void

export const proof: Proof = {
  id: 26,
  name: 'budget',
  fast: true,
  sabotages: {
    'what is held for others is not counted': [
      {
        file: 'src/ai/budget.ts',
        find: 'capMicros ?? limitMicros) - spentMicros - reservedMicros)',
        replace: 'capMicros ?? limitMicros) - spentMicros)',
      },
    ],
    'what was said until a stream broke off is taken for all': [
      {
        file: 'src/ai/metered.ts',
        find: 'tried.isFinal ? known : Math.max(known, hold.worstMicros)',
        replace: 'known',
      },
      { file: 'src/ai/metered.ts', find: '    isEstimated: !tried.isFinal,', replace: '    isEstimated: false,' },
    ],
    'only the last of the models that were asked is paid for': [
      {
        file: 'src/ai/metered.ts',
        find: 'if (tried.failure === null || cost === 0) return',
        replace: 'return',
      },
    ],
    'a connection that broke is taken for one that cost nothing': [
      {
        file: 'src/ai/attempt.ts',
        find: "new Set<FailureReason>(['rate_limited',",
        replace: "new Set<FailureReason>(['unreachable', 'rate_limited',",
      },
    ],
    'what nobody settled is charged without a look at the ledger': [
      {
        file: 'workers/ledger-lines.ts',
        find: 'calls.length > 0 ? await findCosts(makeCtx(), calls) : new Map',
        replace: 'new Map',
      },
    ],
    'a call that was stopped is not charged': [
      {
        file: 'src/ai/spending.ts',
        find: 'if (!hold.isSent) {',
        replace: 'if (!hold.isSent || isAborted) {',
      },
    ],
  },
  /**
   * One cap, many streams, an upstream with books of its own: what it billed is what the ledger says, and within the
   * cap. One request may be several bills: what failed is gone on with by a cheaper model. MCP calls no model: a
   * session of it leaves the ledger as it was.
   */
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const violations: string[] = []
    const report: Report = (what) => void violations.push(what)
    const upstream = await startUpstream(chance)
    const vars = {
      ANTHROPIC_API_KEY: 'proof',
      ANTHROPIC_BASE_URL: upstream.url,
      ...wholeVars(upstream.url),
      // The assistant asks Sonnet, and Haiku for what Sonnet began or the budget has no room for.
      AI_EXPERIMENTS: JSON.stringify([{ id: 'proof', kind: 'chat', model: 'claude-sonnet-5-5', share: 1 }]),
    }
    const claude = await world.sabotaged([], vars)
    const counts = {
      ...{ cases: 0, exact: 0, estimated: 0, refused: 0, background: 0, failed: 0, left: 0, stopped: 0 },
      ...{ micros: 0, caps: 0, again: 0, tools: 0 },
    }
    const streams = scaled(STREAMS, Math.min(1, share * STREAMS_KEPT))
    try {
      for (let round = 0; round < scaled(ROUNDS, share); round++) {
        const [person] = await claude.people(1)
        if (!person) throw new Error('no person')
        upstream.bills.length = 0
        const capMicros =
          streams * (round % 2 === 0 ? 1 : LOOSER) * (LEAST_MICROS + chance.int(MOST_MICROS - LEAST_MICROS))
        await setCap(claude, person, capMicros)
        const said = await storm(claude, person, { chance, streams, capMicros }, report)
        await quiet(claude, person, upstream.open, report)
        counts.tools = await mcpIsFree(claude, person, upstream.asked, report)
        const lines = await linesOf(claude, person)
        compare(lines, upstream.bills, report)
        await compareSums(person, lines, upstream.bills, capMicros, report)
        counts.cases += streams
        counts.refused += said.filter(({ code }) => code === 'budget_exhausted').length
        counts.failed += said.filter(({ status }) => status > 500).length
        counts.left += said.filter(({ status }) => status === 0).length
        counts.estimated += lines.filter(({ isEstimated }) => isEstimated).length
        counts.exact += lines.filter(({ isEstimated }) => !isEstimated).length
        counts.background += lines.filter(({ account }) => account === 'background').length
        counts.stopped += lines.filter(({ outcome }) => outcome === 'aborted').length
        counts.again += paidAgain(upstream.bills)
        counts.micros += sum(lines)
        counts.caps += capMicros + capOf('background', capMicros)
      }
      const [person] = await claude.people(1)
      if (person) counts.cases += await leftBehind(claude, person, report)
      // A few calls may all have ended before anybody stopped them.
      const tried = [
        'exact',
        'estimated',
        'refused',
        'background',
        ...(share < 1 ? [] : ['stopped', 'again']),
      ] as (keyof typeof counts)[]
      for (const kind of tried) if (counts[kind] === 0) report(`nothing was tried: no call was ${kind}`)
    } finally {
      await claude.stop()
      await upstream.stop()
    }
    const notes = [
      `${streams} streams at once through ${ENTRIES.length} entries: ${ENTRIES.map(({ name }) => name).join('; ')}:`,
      `${counts.exact} calls charged exactly, ${counts.estimated} in full (${counts.stopped} stopped), ${counts.background} of all in the background;`,
      `${counts.left} clients left, ${counts.refused} were refused, ${counts.failed} told of a failure;`,
      `${counts.again} bills beyond the first of a request; ${counts.micros} of ${counts.caps} micro-dollars spent;`,
      `a session at /mcp with its ${counts.tools} tools called no model`,
    ]
    return { cases: counts.cases, violations, notes }
  },
}

// Behind the API: Miniflare does not know the methods of an object.
type Stewards = { getByName(name: string): { setBudget(change: { plan: 'max' }): Promise<unknown> } }

async function setCap({ worker }: World, person: Person, dayMicros: number): Promise<void> {
  const stewards = (await worker.miniflare.getDurableObjectNamespace('STEWARD')) as unknown as Stewards
  await stewards.getByName(person.userId).setBudget({ plan: 'max' })
  const none = { dayMicros: null, monthMicros: null }
  const background = { ...none, dayMicros: capOf('background', dayMicros) }
  const body = { isPaused: false, caps: { own: { ...none, dayMicros }, background } }
  const { status } = await person.api('PUT', '/v1/ai/budget', { body })
  if (status !== 200) throw new Error(`the cap is answered ${status}`)
}

type Storm = { chance: Chance; streams: number; capMicros: number }

async function storm(world: World, person: Person, { chance, streams, capMicros }: Storm, report: Report) {
  const over = new AbortController()
  const watching = watch(person, capMicros, over.signal, report)
  const entries = Array.from({ length: streams }, (_, index) => ENTRIES[index % ENTRIES.length])
  const all = await eachOf(chance.shuffle(entries), streams, async (entry, index): Promise<Said[]> => {
    if (!entry) return []
    const said = await entry.ask({ world, person, chance }, `case-${index}`)
    if (said.code === 'budget_exhausted' && said.status === 429) {
      if (!said.retryAfter || !said.detail.includes('resets at')) report(`${entry.name}: a refusal says not until when`)
    } else if (![0, 200, 502, 503, 529].includes(said.status))
      report(`${entry.name} is answered ${said.status} ${said.code}`)
    return [said]
  })
  over.abort()
  await watching
  return all.flat()
}

type Day = { spentMicros: number; reservedMicros: number }

async function daysOf(person: Person): Promise<Record<Account, Day>> {
  const { own, background } = JSON.parse((await person.api('GET', '/v1/ai/budget')).text)
  return { own: own.day, background: background.day }
}

const capOf = (account: Account, capMicros: number) =>
  account === 'own' ? capMicros : Math.ceil(capMicros * BACKGROUND_SHARE)

/** At no moment is more spent and held than the caps. */
async function watch(person: Person, capMicros: number, over: AbortSignal, report: Report): Promise<void> {
  while (!over.aborted) {
    const days = await daysOf(person)
    for (const account of ACCOUNTS) {
      const { spentMicros, reservedMicros } = days[account]
      const beyond = spentMicros + reservedMicros - capOf(account, capMicros)
      if (beyond > 0) report(`${beyond} micro-dollars over the cap (${account}) are spent or held`)
    }
    await wait(LOOK_EACH_MS)
  }
}

/** Turns go on without their clients: waits until none has run for a while, and none holds anything. */
async function quiet(world: World, person: Person, open: () => number, report: Report): Promise<void> {
  const deadline = performance.now() + QUIET_WITHIN_MS
  for (let looks = 0; looks < QUIET_LOOKS; looks++) {
    if (performance.now() > deadline) return report('something is held that nobody settles')
    const running = await world.query(`select 1 from messages where user_id = $1 and status = 'streaming'`, [
      person.userId,
    ])
    const { own, background } = await daysOf(person)
    if (running.length > 0 || open() > 0 || own.reservedMicros + background.reservedMicros > 0) looks = 0
    await wait(LOOK_EACH_MS)
  }
}

/** Answers how many tools were called. */
async function mcpIsFree(world: World, person: Person, asked: () => number, report: Report): Promise<number> {
  await flushLedger(world, person.userId)
  const look = async () => [asked(), JSON.stringify([await linesOf(world, person), await daysOf(person)])]
  const before = await look()
  const tools = await mcpSession({ world, person })
  await flushLedger(world, person.userId)
  const after = await look()
  if (before.some((value, index) => value !== after[index])) report('a session at /mcp changed the ledger')
  return tools
}

/** Bills after the first of one request: of another try, another step, or what went on where a stream broke. */
function paidAgain(bills: Bill[]): number {
  const paid = bills.filter(({ micros }) => micros > 0)
  return paid.length - new Set(paid.map(({ key }) => key)).size
}

async function linesOf(world: World, { userId }: Person): Promise<Line[]> {
  const rows = await world.query(
    'select cost_micros, is_estimated, is_background, outcome from usage_events where user_id = $1 order by id',
    [userId],
  )
  return rows.map((row) => ({
    micros: Number(row.cost_micros),
    isEstimated: row.is_estimated === true,
    outcome: String(row.outcome),
    account: row.is_background === true ? ('background' as const) : ('own' as const),
  }))
}

const sum = (items: { micros: number }[]) => items.reduce((total, { micros }) => total + micros, 0)
const dearest = (items: { micros: number }[]) => items.map(({ micros }) => micros).sort((a, b) => b - a)

/** Each exact line is one bill; each bill that is left has a line that was estimated at no less. */
function compare(lines: Line[], bills: Bill[], report: Report): void {
  const left = dearest(bills)
  for (const micros of dearest(lines.filter(({ isEstimated }) => !isEstimated))) {
    const at = left.indexOf(micros)
    if (at < 0) report(`a line says ${micros} micro-dollars, and no bill does`)
    else left.splice(at, 1)
  }
  const estimates = dearest(lines.filter(({ isEstimated }) => isEstimated))
  // A refusal that was tried again is on the line of the try that was paid for.
  for (const [index, micros] of left.filter((micros) => micros > 0).entries()) {
    const estimate = estimates[index]
    if (estimate === undefined) report(`a bill of ${micros} micro-dollars has no line`)
    else if (estimate < micros) report(`a bill of ${micros} micro-dollars was estimated at ${estimate}`)
  }
}

async function compareSums(person: Person, lines: Line[], bills: Bill[], capMicros: number, report: Report) {
  const spent = sum(lines)
  const days = await daysOf(person)
  for (const account of ACCOUNTS) {
    const ofAccount = sum(lines.filter((line) => line.account === account))
    const beyond = ofAccount - capOf(account, capMicros)
    if (beyond > 0) report(`the ledger is ${beyond} micro-dollars over the cap (${account})`)
    const { spentMicros } = days[account]
    if (spentMicros !== ofAccount)
      report(`the budget (${account}) says ${spentMicros} were spent, the ledger ${ofAccount}`)
  }
  const beyond = sum(bills) - capMicros - capOf('background', capMicros)
  if (beyond > 0) report(`the bills are ${beyond} micro-dollars over the caps`)
  const usage = JSON.parse((await person.api('GET', '/v1/ai/usage')).text)
  if (usage.total.costMicros !== spent) report(`usage says ${usage.total.costMicros} were spent, the ledger ${spent}`)
}
