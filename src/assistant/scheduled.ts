import { AppError, derivedIds, type UserCtx } from '#core'
import { enqueue, type JobHandler, kick } from '#queue'
import { type Carrier, type Due, failed, onBehalfOf, settleRun, waitingRuns } from '#scheduler'
import { createConversation, getConversation } from './conversations.ts'

// A turn that cannot be begun now may be later.
const PASSING: ReadonlySet<string> = new Set(['turn_running', 'unavailable', 'timeout', 'conflict'])

/** Asks the assistant when a schedule is due. A turn may take longer than an event is given: it is a job. */
export const askCarrier: Carrier<'ask_assistant'> = {
  async check(ctx, { conversationId }) {
    if (conversationId === undefined || (await isThere(ctx, conversationId))) return []
    return [{ pointer: '/conversationId', detail: 'there is no such conversation' }]
  },
  async carryOut(ctx, { run }) {
    const { userId } = ctx.actor
    const job = { id: ctx.newId('job'), queue: 'ai-tasks', kind: 'ask_assistant', userId, ref: run.id } as const
    kick(ctx, await enqueue(ctx.db, [{ ...job, key: `ask:${run.id}` }]))
    return null
  },
}

async function isThere(ctx: UserCtx, id: string): Promise<boolean> {
  try {
    await getConversation(ctx, id)
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return false
    throw error
  }
}

/** Runs the turn of a schedule's run, or finds it again, and tells its person the answer. */
export const askScheduled: JobHandler = async (system, { userId, ref }) => {
  if (userId === null) return
  const ctx = onBehalfOf(system, userId)
  const [due] = await waitingRuns(ctx, [ref])
  if (due) await answer(ctx, due)
}

async function answer(ctx: UserCtx, due: Due): Promise<void> {
  const { run, schedule } = due
  const { action } = schedule
  if (action.kind !== 'ask_assistant') {
    await settleRun(ctx, due, failed(due, 'conflict', 'The schedule was changed before it was carried out'))
    return
  }
  const { text, conversationId = await ownConversation(ctx, due) } = action
  const ids = derivedIds(`schedule|${run.id}`, new Date(run.startedAt))
  const request = { turnId: ids('turn'), questionId: ids('msg'), answerId: ids('msg'), conversationId, text }
  const { userId, sessionId } = ctx.actor
  const session = ctx.env.USER_SESSION.getByName(userId)
  const said = await session.finishTurn({ ...request, isBackground: true }, { userId, sessionId })
  if (!said.ok) {
    if (PASSING.has(said.code)) throw new AppError('unavailable', said.detail)
    await settleRun(ctx, due, failed(due, said.code, said.detail))
    return
  }
  const { id: messageId, status, errorCode } = said.answer
  if (status !== 'done') {
    const detail = said.reason?.detail ?? `The assistant did not answer: ${errorCode ?? status}`
    await settleRun(ctx, due, failed(due, errorCode ?? status, detail))
    return
  }
  const note = { title: schedule.name, body: said.answer.text }
  await settleRun(ctx, due, { status: 'done', outcome: { kind: 'answer', conversationId, messageId }, note })
}

/** The conversation of a schedule that names none: the same one each time. */
async function ownConversation(ctx: UserCtx, { schedule: { id, name, createdAt } }: Due): Promise<string> {
  const newId = derivedIds(`schedule|${id}`, new Date(createdAt))
  const { id: conversationId } = await createConversation({ ...ctx, newId }, { title: name })
  return conversationId
}
