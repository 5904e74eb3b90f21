import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { listStanding, saysOf, undo } from './effects.ts'
import type { Undone } from './schema.ts'

const GONE: ReadonlySet<Undone['status']> = new Set(['undone', 'cancelled', 'already'])

/** Which of these are gone, and which are not. */
export const isGone = ({ status }: Pick<Undone, 'status'>): boolean => GONE.has(status)

const Window = { since: s.instant, until: s.instant.optional() }
const What = z
  .strictObject({
    since: s.instant.optional(),
    until: s.instant.optional(),
    runId: s.line(100).optional(),
    id: s.id('eff').optional(),
    cursor: s.cursor,
  })
  .refine(({ id, runId, since }) => [id, runId, since].filter((one) => one !== undefined).length === 1, {
    error: 'must have one of id, runId and since',
  })

/** What the assistant may take back beyond its last answer: the person says yes to what list_effects shows of it. */
export const undoTools: Tool[] = [
  defineTool({
    name: 'list_effects',
    description:
      'What was done for the user since an instant and still stands, newest first, by you, by workflows or by schedules:' +
      ' each with its id, its run and whether it can be taken back. `until` leaves out what was asked for from then on.',
    input: z.strictObject(Window),
    readOnly: true,
    run: async (ctx, window) => {
      const { effects, more } = await listStanding(ctx, window)
      const brief = effects.map(({ id, says, status, reversible, tainted, doneAt, heldUntil, origin }) => {
        return { id, says, status, reversible, tainted, at: doneAt ?? heldUntil, runId: origin.runId }
      })
      return { output: { effects: brief, more } }
    },
  }),
  defineTool({
    name: 'undo_effects',
    description:
      'Take back everything done since an instant, what a run did, or one effect: give one of since, runId and id, and' +
      ' with `since` an `until` for an earlier stretch, or for now. Tell the user first what list_effects shows of it.' +
      ' `stays` says what was not taken back and why; where there is a nextCursor, more is taken back by calling again with it.',
    input: What,
    destructive: true,
    run: async (ctx, what) => {
      const { items, nextCursor } = await undo(ctx, { ...what, force: false })
      const says = await saysOf(
        ctx,
        items.map(({ id }) => id),
      )
      const named = (one: Undone) => says.get(one.id) ?? one.says
      const stays = items.filter((one) => !isGone(one)).map((one) => `${named(one)}: ${one.says}`)
      return { output: { undone: items.filter(isGone).map(named), stays, nextCursor } }
    },
  }),
]
