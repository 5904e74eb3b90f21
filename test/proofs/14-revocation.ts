import { startOpenAiFake } from '../../local/openai-fake.ts'
import type { World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Measured, measure } from './lib-revocation.ts'
import { type Proof, scaled } from './proof.ts'
import { WAYS } from './ways-to-end.ts'

const ROUNDS = 3
const AT_ONCE = 3
const SOCKET_MS = 1000
const MODEL = 'llama3.3'
// A queue that hands over late, as one in production does: nobody may wait for it to be cut off.
const EVENTS = `max_batch_size = 50
# A moment, in which a person's events come together: for each alone the database is asked twice.
max_batch_timeout = `
const LATE_QUEUE = [{ file: 'wrangler.toml', find: `${EVENTS}0.02`, replace: `${EVENTS}3` }]

export const proof: Proof = {
  id: 14,
  name: 'revocation',
  fast: false,
  sabotages: {
    'no statement asks whether the session lives': [
      {
        file: 'src/database/owner.ts',
        find: '  if (actor.sessionId === null) return undefined\n',
        replace: '  if (actor.sessionId === null || actor.userId) return undefined\n',
      },
    ],
    'what is open hears of the end by the queue alone': [
      { file: 'src/queue/cut-off.ts', find: 'if (ids.length === 0) return', replace: 'if (ids.length >= 0) return' },
    ],
    'a ticket outlives its session': [
      {
        file: 'src/realtime/tickets.ts',
        find: "storage.exec('delete from tickets where session_id = ?', sessionId)",
        replace: '',
      },
    ],
    'a turn outlives its session': [
      { file: 'workers/user-session.ts', find: '    this.#turns.endSession(sessionId)\n', replace: '' },
    ],
    'an answer in another protocol outlives its session': [
      {
        file: 'src/compat/watch.ts',
        find: "if (known?.code === 'session_ended')",
        replace: "if (known?.code === 'gone')",
      },
    ],
    'the others are all but ended': [
      {
        file: 'src/auth/sessions.ts',
        find: 'ending(ctx, ne(sessions.id, sessionOf(actor)), ',
        replace: "ending(ctx, eq(sessions.id, sessionOf(actor) + '-'), ",
      },
    ],
  },
  async run(world, { share }) {
    const model = await startOpenAiFake({ models: [MODEL] })
    // Longer than anything here lasts.
    model.on('slowly', { text: 'la '.repeat(1000), stall: 50 })
    const vars = { OPENAI_BASE_URL: model.url, OPENAI_MODELS: `${MODEL}=0/0@131072/8192`, AI_PLAN: 'max' }
    const late = await world.sabotaged(LATE_QUEUE, vars)
    try {
      return await prove(late, scaled(ROUNDS, share))
    } finally {
      await late.stop()
      await model.stop()
    }
  },
}

async function prove(world: World, rounds: number) {
  const violations: string[] = []
  const ways = Array.from({ length: rounds }, () => Object.entries(WAYS)).flat()
  const all = await eachOf(ways, AT_ONCE, async ([name, way]) => {
    const found = await measure(world, way, MODEL)
    violations.push(...found.problems.map((problem) => `${name}: ${problem}`))
    for (const [what, ms] of Object.entries(found.closedMs))
      if (what !== 'compat stream' && ms > SOCKET_MS)
        violations.push(`${name}: the ${what} is closed after ${Math.round(ms)} ms`)
    return found
  })
  return { cases: all.reduce((sum, { cases }) => sum + cases, 0), violations, notes: notesOf(all) }
}

const rounded = (ms: number[]) => {
  const sorted = ms.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return `median ${at(0.5)}, p95 ${at(0.95)}, most ${Math.round(sorted.at(-1) ?? 0)} ms`
}

function notesOf(all: Measured[]): string[] {
  const names = [...new Set(all.flatMap(({ closedMs }) => Object.keys(closedMs)))]
  const closed = names.map(
    (name) => `${name} closed after ${rounded(all.flatMap(({ closedMs }) => closedMs[name] ?? []))}`,
  )
  return [
    `${Object.keys(WAYS).length} ways to end, each ${all.length / Object.keys(WAYS).length} times;`,
    `first refusal, asked as soon as the end was answered: ${rounded(all.map(({ refusedMs }) => refusedMs))};`,
    `${all.reduce((sum, { during }) => sum + during, 0)} requests were sent while it was being ended;`,
    ...closed,
  ]
}
