import { and, inArray } from 'drizzle-orm'
import { z } from 'zod'
import { hear } from '#commitments'
import { defineEvent, s, type UserCtx } from '#core'
import { ownedBy } from '#database'
import type { Subscriber } from '#queue'
import { Part } from './schema.ts'
import { messages } from './tables.ts'
import { isPasted } from './turn.ts'

// `isRelayed`: a program or a schedule said it for them.
const Said = z.strictObject({ questionId: s.id('msg'), answerId: s.id('msg'), isRelayed: z.boolean().default(false) })
/** A person said something that others may care about; what it was stays where it is kept. */
export const messageSaid = defineEvent('message.said', null, Said)

const MAKES = new Set(['create_task', 'create_event', 'create_project', 'notify'])
const Titled = z.object({ title: z.string().optional(), name: z.string().optional() })

const parts = (kept: unknown) => z.array(Part()).parse(kept)

/** Listens to what people say themselves. What tools brought into a conversation is not theirs. */
export const heardSubscriber: Subscriber = {
  name: 'heard',
  wants: (type) => type === messageSaid.type,
  async handle(ctx, events) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const theirs: UserCtx = { ...ctx, actor: { kind: 'person', userId, sessionId: null } }
    for (const { data } of events) await listen(theirs, Said.parse(data))
  },
}

async function listen(ctx: UserCtx, { questionId, answerId, isRelayed }: z.infer<typeof Said>): Promise<void> {
  const { id, role, tainted, createdAt } = messages
  const rows = await ctx.db
    .select({ id, role, parts: messages.parts, tainted, at: createdAt })
    .from(messages)
    .where(and(inArray(id, [questionId, answerId]), ownedBy(ctx.actor, messages.userId)))
  const question = rows.find((row) => row.id === questionId && row.role === 'user')
  // A conversation that was deleted meanwhile says nothing.
  if (!question) return
  const said = parts(question.parts)
  const text = said.flatMap((part) => (part.type === 'text' ? part.text : [])).join('\n')
  const made = madeBy(parts(rows.find((row) => row.id === answerId)?.parts ?? []))
  const isTainted = isRelayed || isPasted(said) || rows.some((row) => row.tainted)
  await hear(ctx, { text, at: question.at, source: { kind: 'message', id: questionId }, made, tainted: isTainted })
}

function madeBy(said: Part[]): string[] {
  const failed = new Set(said.flatMap((part) => (part.type === 'tool_result' && part.isError ? part.callId : [])))
  return said.flatMap((part) => {
    if (part.type !== 'tool_call' || !MAKES.has(part.name) || failed.has(part.id)) return []
    const { title, name } = Titled.safeParse(part.input).data ?? {}
    return title ?? name ?? []
  })
}
