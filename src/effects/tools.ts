import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { defineEvent, defineTool, s, type Tool } from '#core'
import { ownerId } from '#database'
import { kick, tell } from '#queue'

const Requested = z.strictObject({
  workflowId: s.id('wfl'),
  input: z.record(z.string().max(200), z.unknown()).default({}),
})

/** Somebody wants a workflow run; the room of workflows begins it, once for each `id`. */
const workflowRequested = defineEvent(
  'workflow.requested',
  null,
  Requested.extend({ id: s.id('req'), tainted: z.boolean() }),
)

/** What rooms above carry out: here it is an event. */
export const requestTools: Tool[] = [
  defineTool({
    name: 'run_workflow',
    description: 'Begin a run of one of the workflows of the user. It cannot be taken back, but cancelled.',
    input: Requested,
    run: async (ctx, { workflowId, input }) => {
      const { db, actor } = ctx
      const id = ctx.newId('req')
      const fields = {
        id: sql<string>`${id}::text`.as('asked_id'),
        userId: sql<string>`${ownerId(actor)}`.as('asked_user'),
      }
      const asked = db.$with('asked').as(db.select(fields).from(sql`(select 1) one`))
      const data = sql`${JSON.stringify({ id, workflowId, input, tainted: ctx.isTainted === true })}`
      const about = { userId: asked.userId, key: sql`${asked.id}`, version: sql`1`, data }
      const told = tell(db, 'told', asked, { kind: workflowRequested, ...about })
      await db.with(asked, told).select({ id: told.id }).from(told)
      kick(ctx, [`${id}.1.${workflowRequested.type}`])
      return { output: { id, workflowId }, evidence: { id, provider: 'aurelius' } }
    },
    plan: ({ workflowId, input }) => ({
      says: `Run the workflow ${workflowId}`,
      changes: [{ target: workflowId, before: null, after: input }],
      undo: null,
    }),
  }),
]
