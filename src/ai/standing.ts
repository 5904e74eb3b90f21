import type { Window } from './budget.ts'
import type { Call } from './call.ts'
import { catalogueOf } from './catalogue.ts'
import type { Standing } from './choose.ts'
import { readBudget, type SpendCtx } from './spending.ts'

const FRESH_MS = 30_000
const MAX_KNOWN = 2000
const UNKNOWN: Standing = { plan: 'free', leftShare: 1 }

type Known = { atMs: number; own: Standing; background: Standing }
// Plain data of this isolate: a choice may be made by what was true half a minute ago, a reservation never is.
const known = new Map<string, Known>()

/** A person's plan and what is left to them, for choosing a model. No trip where there is nothing to choose. */
export async function standingOf(ctx: SpendCtx, call: Call): Promise<Standing> {
  if (call.model !== undefined || catalogueOf(ctx.config).length < 2) return UNKNOWN
  const side = call.background ? 'background' : 'own'
  const { userId } = ctx.actor
  const nowMs = ctx.now().getTime()
  const last = known.get(userId)
  if (last && nowMs - last.atMs < FRESH_MS) return last[side]
  try {
    const { plan, own, background } = await readBudget(ctx)
    const share = ({ day, month }: { day: Window; month: Window }) => Math.min(left(day), left(month))
    const read = {
      atMs: nowMs,
      own: { plan, leftShare: share(own) },
      background: { plan, leftShare: share(background) },
    }
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(userId, read)
    return read[side]
  } catch {
    // The reservation asks the same object again, and says what is wrong with it.
    return UNKNOWN
  }
}

function left({ leftMicros, limitMicros, capMicros }: Window): number {
  const limit = Math.min(limitMicros, capMicros ?? limitMicros)
  return limit <= 0 ? 0 : Math.max(0, leftMicros) / limit
}
