import { AppError, type Ctx, describeError, wait } from '#core'
import { keepNewest, networkOf, rangeOf, takeLimit } from './limits.ts'

type GuessCtx = Pick<Ctx, 'client' | 'config' | 'now'>
type NoteCtx = GuessCtx & Pick<Ctx, 'env' | 'waitUntil' | 'log'>
/** Wrong guesses from a range of addresses, of which one is forgiven every `FORGIVEN_MS`. */
type Range = { wrong: number; atMs: number; waiting: number }

const FREE = 10
const FORGIVEN_MS = 30_000
const FIRST_DELAY_MS = 250
const DOUBLED_EVERY = 5
const MAX_DELAY_MS = 4000
const MAX_WRONG = 200
// So many the edge has counted when it says no (`GUESS_LIMIT`), and a few more, for which the delay stays the longest.
const MANY = FREE + DOUBLED_EVERY * (1 + Math.log2(MAX_DELAY_MS / FIRST_DELAY_MS))
// Each that waits holds a request open.
const MAX_WAITING = 200
const MAX_WAITING_OF_RANGE = 10
const MAX_RANGES = 20_000

/** The memory of one isolate; what the edge counted for all of them is learned by a guess that was wrong. */
export function createGuesses() {
  const ranges = new Map<string, Range>()
  const all = { waiting: 0 }

  async function slow(range: Range, delayMs: number): Promise<void> {
    if (range.waiting >= MAX_WAITING_OF_RANGE || all.waiting >= MAX_WAITING) {
      const windowS = Math.ceil(MAX_DELAY_MS / 1000)
      const limit = { name: 'slow', quota: MAX_WAITING_OF_RANGE, left: 0, windowS, resetS: windowS }
      throw new AppError('rate_limited', `Many tries from your network were wrong; wait ${windowS} s`, { limit })
    }
    range.waiting++
    all.waiting++
    try {
      await wait(delayMs, new AbortController().signal)
    } finally {
      range.waiting--
      all.waiting--
    }
  }

  /** Of a range so many were wrong by now, at least. */
  function count(name: string, nowMs: number, toWrong: (before: number) => number): void {
    const range = ranges.get(name) ?? { wrong: 0, atMs: nowMs, waiting: 0 }
    range.wrong = Math.min(MAX_WRONG, toWrong(wrongOf(range, nowMs)))
    range.atMs = nowMs
    keepNewest(ranges, name, range, MAX_RANGES)
  }

  return {
    /**
     * Before a secret of `whom` is tried. Counted by whom and network together, so that who guesses from elsewhere locks
     * nobody out; from a range of addresses where many were wrong the answer comes later, right or wrong.
     */
    async heedGuesses({ client, config, now }: GuessCtx, whom: string): Promise<void> {
      const caller = `${whom.toLowerCase()} ${networkOf(client.address)}`
      const take = takeLimit('guess', caller, now(), config.rateLimitFactor)
      if (!take.ok)
        throw new AppError('rate_limited', 'Too many tries for this address; wait a moment', {
          limit: { ...take, name: 'guess' },
        })
      const range = ranges.get(rangeOf(client.address))
      const delayMs = range ? delayOf(wrongOf(range, now().getTime()), config.rateLimitFactor) : 0
      if (range && delayMs > 0) await slow(range, delayMs)
    },
    /** A secret was wrong, whoever it was tried for: counted here, and beside the answer at the edge for all isolates. */
    noteWrongGuess({ client, config, env, log, now, waitUntil }: NoteCtx): void {
      const name = rangeOf(client.address)
      count(name, now().getTime(), (before) => before + 1)
      // A run with raised limits would not heed the answer.
      if (config.rateLimitFactor !== 1) return
      const hear = ({ success }: { success: boolean }) => {
        if (!success) count(name, now().getTime(), (before) => Math.max(before, MANY))
      }
      const lose = (error: unknown) => log.warn('limit.not_told', describeError(error))
      waitUntil(env.GUESS_LIMIT.limit({ key: name }).then(hear).catch(lose))
    },
  }
}

export const { heedGuesses, noteWrongGuess } = createGuesses()

const wrongOf = ({ wrong, atMs }: Range, nowMs: number) => Math.max(0, wrong - Math.max(0, nowMs - atMs) / FORGIVEN_MS)

function delayOf(wrong: number, factor: number): number {
  const beyond = wrong - FREE * factor
  return beyond < 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.floor(beyond / DOUBLED_EVERY))
}
