import { and, eq, isNull, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { DomainEvent, UserCtx } from '#core'
import { withdrawSuggestion } from '#proactivity'
import type { Subscriber } from '#queue'
import { endThose } from './commitment.ts'
import { findMade, findMailed } from './deeds.ts'
import { openOnes } from './hear.ts'
import { change } from './row.ts'
import { commitments } from './tables.ts'

const t = commitments

const Done = z.object({
  kind: z.string(),
  status: z.string(),
  input: z.unknown(),
  output: z.unknown(),
  origin: z.object({ suggestionId: z.string().nullish() }),
})
const Mail = z.object({ to: z.array(z.string()), subject: z.string() })
const Made = z.object({ id: z.string(), title: z.string().default('') })
const Decided = z.object({ id: z.string(), kind: z.string(), decision: z.string() })

/** Sees what was promised done, and what was offered for it made or turned down. */
export const commitmentSubscriber: Subscriber = {
  name: 'commitments',
  wants: (type) => type === 'task.completed' || type === 'effect.updated' || type === 'suggestion.decided',
  only: (userId) => sql`exists (select 1 from ${t} c where c.user_id = ${userId} and c.status = 'open')`,
  async handle(ctx, events) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const theirs: UserCtx = { ...ctx, actor: { kind: 'person', userId, sessionId: null } }
    for (const event of events) await react(theirs, event)
  },
}

async function react(ctx: UserCtx, { type, key, data, at }: DomainEvent): Promise<void> {
  if (type === 'task.completed') {
    await endThose(ctx, eq(t.taskId, key), { status: 'done', endedBy: 'task' })
    return
  }
  if (type === 'suggestion.decided') {
    const { id, kind, decision } = Decided.parse(data)
    if (kind === 'commitment' && (decision === 'dismissed' || decision === 'expired'))
      await endThose(ctx, offered(id), { status: 'dropped', endedBy: 'suggestion' })
    return
  }
  const { kind, status, input, output, origin } = Done.parse(data)
  if (kind === 'create_task') await link(ctx, { status, output, at: new Date(at), suggestionId: origin.suggestionId })
  if (kind === 'send_mail' && status === 'done') await endByMail(ctx, input, new Date(at))
}

// A task came of it: what is offered says nothing more of it.
const offered = (id: string) => sql`${t.suggestionId} = ${id} and ${t.taskId} is null`

type Act = { status: string; output: unknown; at: Date; suggestionId: string | null | undefined }

// What was made of the offer is what the commitment waits for; taken back, it waits for nothing.
async function link(ctx: UserCtx, { status, output, at, suggestionId }: Act): Promise<void> {
  const made = Made.safeParse(output)
  if (!made.success) return
  const { id, title } = made.data
  if (status === 'undone') await change(ctx, eq(t.taskId, id), { taskId: null })
  if (status !== 'done') return
  const like = suggestionId ? null : findMade(title, await openOnes(ctx, at))
  const isIts = suggestionId ? eq(t.suggestionId, suggestionId) : like && eq(t.id, like.id)
  const [linked] = isIts ? await change(ctx, and(isIts, isNull(t.taskId)), { taskId: id }) : []
  // Where the conversation made the task, what is offered beside it is one too many.
  if (like && linked?.suggestionId) await withdrawSuggestion(ctx, linked.suggestionId, 'You made a task of it')
}

async function endByMail(ctx: UserCtx, input: unknown, at: Date): Promise<void> {
  const mail = Mail.safeParse(input)
  const done = mail.success ? findMailed(mail.data, await openOnes(ctx, at)) : null
  if (done) await endThose(ctx, eq(t.id, done.id), { status: 'done', endedBy: 'mail' })
}
