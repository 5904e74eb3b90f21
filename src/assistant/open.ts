import { and, desc, eq, getTableColumns, ne, sql } from 'drizzle-orm'
import type { PersonFacts } from '#ai'
import { AppError, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { type ServerRow, serversForTurn } from '#integrations'
import { memoriesForPrompt } from '#memories'
import { projectsForPrompt } from '#tasks'
import { factsForPrompt } from '#users'
import { shownMessage } from './conversations.ts'
import type { Message } from './schema.ts'
import { conversations, messages } from './tables.ts'

const HISTORY = 40
const TITLE_CHARS = 60
const UNTITLED = 'New conversation'

/** A turn as it is asked for: its ids are drawn before, so that asking twice is asking once. */
export type TurnRequest = { turnId: string; conversationId: string; questionId: string; answerId: string; text: string }

/** What a turn begins with; `fresh` is false when it was begun before. */
export type OpenedTurn = {
  fresh: boolean
  question: Message
  answer: Message
  history: (Message & { undoneCalls: string[] })[]
  person: PersonFacts
  servers: ServerRow[]
}

type OpenCtx = Pick<UserCtx, 'actor' | 'db' | 'now'>

/**
 * Writes down the question and an empty answer, and reads all that the prompt needs. One trip, one transaction;
 * `not_found` for a conversation that is not the person's.
 */
export async function openTurn(ctx: OpenCtx, turn: TurnRequest): Promise<OpenedTurn> {
  const { db, actor } = ctx
  const title = titleOf(turn.text)
  const isNamed = sql`${conversations.title} = ${UNTITLED} and ${title}::text <> ${UNTITLED}`
  const conversation = db.$with('conversation').as(
    db
      .update(conversations)
      .set({
        updatedAt: sql`now()`,
        title: sql`case when ${isNamed} then ${title} else ${conversations.title} end`,
        version: sql`${conversations.version} + case when ${isNamed} then 1 else 0 end`,
      })
      .where(and(eq(conversations.id, turn.conversationId), ownedBy(actor, conversations.userId)))
      .returning({ id: conversations.id, userId: conversations.userId }),
  )
  const rows = sql`(values (${turn.questionId}, 'user', 'done', ${JSON.stringify([{ type: 'text', text: turn.text }])}::jsonb), (${turn.answerId}, 'assistant', 'streaming', '[]'::jsonb)) as v(id, role, status, parts)`
  const said = db.$with('said', getTableColumns(messages)).as(sql`
    insert into ${messages} (id, user_id, conversation_id, turn_id, role, status, parts)
    select v.id, c.user_id, c.id, ${turn.turnId}, v.role, v.status, v.parts from conversation c, ${rows}
    on conflict (id) do nothing returning *`)
  const opening = db
    .with(conversation, said)
    .select({
      id: conversation.id,
      message: sql<Message | null>`case when ${said.id} is null then null else ${shownMessage(said)} end`,
    })
    .from(conversation)
    .leftJoin(said, sql`true`)
  const before = db
    .select({ message: shownMessage(messages), undoneCalls: messages.undoneCalls })
    .from(messages)
    .where(
      and(
        eq(messages.conversationId, turn.conversationId),
        ownedBy(actor, messages.userId),
        ne(messages.turnId, turn.turnId),
      ),
    )
    .orderBy(desc(messages.id))
    .limit(HISTORY)
  const ours = db
    .select({ message: shownMessage(messages) })
    .from(messages)
    .where(and(eq(messages.turnId, turn.turnId), ownedBy(actor, messages.userId)))
  const [opened, own, past, facts, projects, memories, servers] = await db.batch([
    opening,
    ours,
    before,
    factsForPrompt(ctx),
    projectsForPrompt(ctx),
    memoriesForPrompt(ctx, turn.text),
    serversForTurn(ctx),
  ])
  const [first] = opened
  if (!first) throw new AppError('not_found', 'No such conversation')
  const find = (role: Message['role']) => own.find(({ message }) => message.role === role)?.message
  const [question, answer, person] = [find('user'), find('assistant'), facts[0]]
  if (!question || !answer || !person) throw new Error('a turn was opened without its messages')
  return {
    fresh: first.message !== null,
    question,
    answer,
    history: past.reverse().map(({ message, undoneCalls }) => ({ ...message, undoneCalls })),
    person: { ...person, now: ctx.now().toISOString(), projects, memories },
    servers,
  }
}

// Cut between characters, never inside one that takes two units.
function titleOf(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return [...line].slice(0, TITLE_CHARS).join('').trim() || UNTITLED
}
