import { z } from 'zod'
import { scopesOf } from '#auth'
import { AppError, defineTool, s, type Tool, type UserCtx } from '#core'
import { getEffects, listStanding, MAX_STANDING } from './effects.ts'
import type { Effect, Undone } from './schema.ts'
import { undoThese } from './undo.ts'

const GONE: ReadonlySet<Undone['status']> = new Set(['undone', 'cancelled', 'already'])
const OVER: ReadonlySet<Effect['status']> = new Set(['undone', 'cancelled', 'failed', 'refused'])

/** Which of these are gone, and which are not. */
export const isGone = ({ status }: Pick<Undone, 'status'>): boolean => GONE.has(status)

const Window = z
  .strictObject({ since: s.instant.optional(), until: s.instant.optional(), runId: s.line(100).optional() })
  .refine(({ since, runId }) => since !== undefined || runId !== undefined, { error: 'must have since or runId' })
  .refine(({ since, until }) => until === undefined || since !== undefined, { error: 'until goes with since' })
const What = z.strictObject({ ids: s.list(s.id('eff'), MAX_STANDING, 1) })

// What was done is told to whoever may read it: of any area it names things.
const named = ({ actor }: Pick<UserCtx, 'actor'>, { id, says, tainted }: Effect) =>
  scopesOf(actor).has('effects:read') ? { id, says, tainted } : { id, tainted }

/** What the assistant may take back beyond its last answer: the person says yes to these very ones, and no other is taken. */
export const undoTools: Tool[] = [
  defineTool({
    name: 'list_effects',
    description:
      'What was done for the user since an instant, or by one run, and still stands, by you, by workflows or by schedules:' +
      ' what can be taken back first, of that the newest first, each with its id and its run. `until` leaves out what was' +
      ' asked for from then on. Where there is `more`, list again after those were taken back.',
    input: Window,
    readOnly: true,
    run: async (ctx, window) => {
      const { items, more } = await listStanding(ctx, window)
      const brief = items.map(({ id, says, status, reversible, tainted, doneAt, heldUntil, origin }) => {
        return { id, says, status, reversible, tainted, at: doneAt ?? heldUntil, runId: origin.runId }
      })
      return { output: { items: brief, more } }
    },
  }),
  defineTool({
    name: 'undo_effects',
    description:
      'Take back what was done: the ids of those that list_effects showed as reversible. Tell the user first, by what it' +
      ' says of them, which these are and which stay. Each that was not taken back tells why.',
    input: What,
    destructive: true,
    byHand: 'POST /v1/effects/undo',
    about: async (ctx, { ids }) => {
      const found = await getEffects(ctx, ids)
      const open = found.filter(({ reversible }) => reversible)
      const others = ids.filter((id) => !open.some((one) => one.id === id))
      if (others.length === 0) return open.map((one) => named(ctx, one))
      const which = others.join(', ')
      throw new AppError(
        'invalid_request',
        `Cannot be taken back: ${which}. Name what list_effects shows as reversible`,
      )
    },
    run: async (ctx, { ids }) => {
      const taken = await undoThese(ctx, ids)
      const items = (await getEffects(ctx, ids)).map((effect) => {
        const one = taken.find(({ id }) => id === effect.id) ?? left(effect)
        return { ...named(ctx, effect), isUndone: isGone(one), ...(!isGone(one) && { why: one.says }) }
      })
      return { output: { items } }
    },
  }),
]

// It was over, or somebody is at it, or its time was.
const left = ({ status }: Effect): Pick<Undone, 'status' | 'says'> =>
  OVER.has(status)
    ? { status: 'already', says: 'There is nothing of it to take back' }
    : { status: 'irreversible', says: 'This cannot be taken back' }
