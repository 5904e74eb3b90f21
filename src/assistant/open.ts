import { and, desc, eq, getTableColumns, ne, sql } from 'drizzle-orm'
import type { PersonFacts } from '#ai'
import { AppError, type UserCtx } from '#core'
import { iso, jsonObject, ownedBy, preparedBatchAs } from '#database'
import { type ServerRow, serversForTurn } from '#integrations'
import { memoriesForPrompt, wordsIn } from '#memories'
import { projectsForPrompt } from '#tasks'
import { factsForPrompt } from '#users'
import { shownMessage } from './conversations.ts'
import type { Message } from './schema.ts'
import { conversations, messages } from './tables.ts'

const HISTORY = 40
const TITLE_CHARS = 60
const UNTITLED = 'New conversation'

/**
 * A turn as it is asked for: its ids are drawn before, so that asking twice is asking once. `confirms`: the calls of the
 * answer before that the person tapped. `isBackground`: nobody sits there and waits, and that allowance pays.
 */
export type TurnRequest = Ids & { text: string; confirms?: string[]; isBackground?: boolean }
type Ids = { turnId: string; conversationId: string; questionId: string; answerId: string }

/** Of an earlier message what a turn asks for. */
type PastMessage = Pick<Message, 'id' | 'role' | 'status' | 'parts' | 'model' | 'createdAt'>

const pastMessage = jsonObject<PastMessage>({
  id: messages.id,
  role: messages.role,
  status: messages.status,
  parts: messages.parts,
  model: messages.model,
  createdAt: iso(messages.createdAt),
})

/** What a turn begins with; `fresh` is false when it was begun before. */
export type OpenedTurn = {
  fresh: boolean
  /** Others' words were read in this conversation before. */
  isTainted: boolean
  question: Message
  answer: Message
  history: PastMessage[]
  person: PersonFacts
  servers: ServerRow[]
  isBackground: boolean
  confirms: string[]
}

type OpenCtx = Pick<UserCtx, 'actor' | 'db' | 'now'>
type Given = Ids & { title: string; parts: string; words: string }

// Of all of it, however long ago: what was said since rests on it.
const readOthers = (conversationId: string) => sql<boolean>`exists (select 1 from ${messages} m
  where m.conversation_id = ${conversationId} and m.tainted)`

const opening = preparedBatchAs((ctx, given: Given) => {
  const { db, actor } = ctx
  const { conversationId, turnId } = given
  const isNamed = sql`${conversations.title} = ${UNTITLED} and ${given.title}::text <> ${UNTITLED}`
  const conversation = db.$with('conversation').as(
    db
      .update(conversations)
      .set({
        updatedAt: sql`now()`,
        title: sql`case when ${isNamed} then ${given.title} else ${conversations.title} end`,
        version: sql`${conversations.version} + case when ${isNamed} then 1 else 0 end`,
      })
      .where(and(eq(conversations.id, conversationId), ownedBy(actor, conversations.userId)))
      .returning({ id: conversations.id, userId: conversations.userId }),
  )
  const rows = sql`(values (${given.questionId}, 'user', 'done', ${given.parts}::jsonb), (${given.answerId}, 'assistant', 'streaming', '[]'::jsonb)) as v(id, role, status, parts)`
  const said = db.$with('said', getTableColumns(messages)).as(sql`
    insert into ${messages} (id, user_id, conversation_id, turn_id, role, status, parts)
    select v.id, c.user_id, c.id, ${turnId}, v.role, v.status, v.parts from conversation c, ${rows}
    on conflict (id) do nothing returning *`)
  const mine = ownedBy(actor, messages.userId)
  return [
    db
      .with(conversation, said)
      .select({ id: conversation.id, saidId: said.id, isTainted: readOthers(conversationId) })
      .from(conversation)
      .leftJoin(said, sql`true`),
    db
      .select({ message: shownMessage(messages) })
      .from(messages)
      .where(and(eq(messages.turnId, turnId), mine)),
    db
      .select({ past: pastMessage })
      .from(messages)
      .where(and(eq(messages.conversationId, conversationId), mine, ne(messages.turnId, turnId)))
      .orderBy(desc(messages.id))
      .limit(HISTORY),
    factsForPrompt(ctx),
    projectsForPrompt(ctx),
    memoriesForPrompt(ctx, given.words),
    serversForTurn(ctx),
  ]
})

/**
 * Writes down the question and an empty answer, and reads all that the prompt needs. One trip, one transaction;
 * `not_found` for a conversation that is not the person's.
 */
export async function openTurn(ctx: OpenCtx, request: TurnRequest): Promise<OpenedTurn> {
  const { text, confirms = [], isBackground = false, ...turn } = request
  const parts = JSON.stringify([{ type: 'text', text }])
  const given = { ...turn, title: titleOf(text), parts, words: wordsIn(text) }
  const [opened, own, past, facts, projects, memories, servers] = await opening(ctx, given)
  const [first] = opened
  if (!first) throw new AppError('not_found', 'No such conversation')
  const find = (role: Message['role']) => own.find(({ message }) => message.role === role)?.message
  const [question, answer, person] = [find('user'), find('assistant'), facts[0]]
  if (!question || !answer || !person) throw new Error('a turn was opened without its messages')
  return {
    fresh: first.saidId !== null,
    isTainted: first.isTainted,
    question,
    answer,
    history: past.reverse().map((row) => row.past),
    person: { ...person, now: ctx.now().toISOString(), projects, memories },
    servers,
    isBackground,
    confirms,
  }
}

// Cut between characters, never inside one that takes two units.
function titleOf(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return [...line].slice(0, TITLE_CHARS).join('').trim() || UNTITLED
}
