import { and, eq } from 'drizzle-orm'
import { z } from 'zod'
import type { UserCtx } from '#core'
import { ownedBy } from '#database'
import { PAUSE_AFTER } from './record.ts'
import { workflows } from './tables.ts'
import { tell } from './world.ts'

/** Why a run ended that was lost again and again. */
export const STUCK = 'stuck'

const Failed = z.looseObject({
  id: z.string(),
  workflowId: z.string(),
  status: z.enum(['failed', 'compensated']),
  reason: z.string().nullable(),
  parked: z.array(z.looseObject({ says: z.string() })),
})

/** Of a run that ended badly: tells the person where it got stuck, and where its workflow is paused for it. */
export async function tellFailed(ctx: UserCtx, data: unknown): Promise<void> {
  const run = Failed.safeParse(data).data
  if (!run) return
  const { id, workflowId, reason, parked } = run
  const w = workflows
  const [workflow] = await ctx.db
    .select({ name: w.name, pausedReason: w.pausedReason, version: w.version })
    .from(w)
    .where(and(eq(w.id, workflowId), ownedBy(ctx.actor, w.userId)))
  if (!workflow) return
  const { name, pausedReason, version } = workflow
  if (reason === STUCK) {
    const left = parked.map(({ says }) => says).join('; ')
    const body = left === '' ? 'Nothing it did is left.' : `Left as it is: ${left}`
    await tell(ctx, id, { key: `run-stuck:${id}`, title: `"${name}" got stuck and was ended`, body, isAlert: true })
  }
  if (pausedReason === 'failing')
    await tell(ctx, id, {
      // Others of its runs may fail while it is paused.
      key: `workflow-paused:${workflowId}:${version}`,
      title: `"${name}" is paused`,
      body: `It failed ${PAUSE_AFTER} times in a row. Look at its last runs, mend it and switch it on again.`,
      isAlert: true,
    })
}
