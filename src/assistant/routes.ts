import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { answerHeaders, explainExhausted } from '#ai'
import { requireSession } from '#auth'
import {
  AppError,
  answer,
  body,
  createApp,
  created,
  ERRORS,
  type ErrorCode,
  etag,
  ifMatch,
  looked,
  personRoute,
  s,
  type UserCtx,
  versioned,
} from '#core'
import { recordAct } from '#database'
import { claimsSignature } from '#security'
import * as conversations from './conversations.ts'
import {
  Conversation,
  ConversationPage,
  ConversationPatch,
  type Message,
  MessagePage,
  NewConversation,
  NewMessage,
  Turn,
} from './schema.ts'
import type { TurnOverhead } from './turn.ts'

const paging = z.strictObject({ limit: s.limit, cursor: s.cursor })
const conversationId = z.strictObject({ id: s.id('cnv') })
const tags = ['Conversations']
const gone = { 204: { description: 'Gone' } }
const SSE_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}
const sse = {
  schema: z
    .string()
    .max(10_000_000)
    .openapi({ description: 'Server-sent events; each id is EPOCH:OFFSET, to go on from' }),
}

const listRoute = personRoute({
  method: 'get',
  path: '/conversations',
  operationId: 'listConversations',
  summary: 'Conversations, the last spoken in first',
  tags,
  request: { query: paging },
  responses: { 200: answer(ConversationPage, 'A page') },
})
const createRoute = personRoute({
  method: 'post',
  path: '/conversations',
  operationId: 'createConversation',
  summary: 'Open a conversation',
  tags,
  request: { body: body(NewConversation) },
  responses: { 201: created(Conversation, 'Opened') },
})
const showRoute = personRoute({
  method: 'get',
  path: '/conversations/{id}',
  operationId: 'getConversation',
  summary: 'One conversation',
  tags,
  request: { params: conversationId },
  responses: { 200: versioned(Conversation, 'The conversation') },
})
const renameRoute = personRoute(
  {
    method: 'patch',
    path: '/conversations/{id}',
    operationId: 'renameConversation',
    summary: 'Rename',
    tags,
    request: { params: conversationId, body: body(ConversationPatch) },
    responses: { 200: versioned(Conversation, 'Renamed') },
  },
  { ifMatch: true },
)
const deleteRoute = personRoute({
  method: 'delete',
  path: '/conversations/{id}',
  operationId: 'deleteConversation',
  summary: 'Delete with what was said in it',
  tags,
  request: { params: conversationId },
  responses: gone,
})
const messagesRoute = personRoute({
  method: 'get',
  path: '/conversations/{id}/messages',
  operationId: 'listMessages',
  summary: 'What was said, oldest first',
  tags,
  request: { params: conversationId, query: paging },
  responses: { 200: answer(MessagePage, 'A page') },
})

const sayRoute = personRoute(
  {
    method: 'post',
    path: '/conversations/{id}/messages',
    operationId: 'sendMessage',
    summary: 'Say something to the assistant',
    description:
      'Answers when the turn ends; with `Accept: text/event-stream`, as it goes. What a tool result asks about with `confirmation_required` is done only when the next message `confirms` its `callId`. `Aurelius-*` headers name the model, its cost, the decision (`GET /v1/ai/decisions/{id}`) and what the gateway took; of a stream the `message.completed` event tells model, cost and decision. The turn goes on without its client: a lost stream is found again at `/v1/conversations/{id}/events`.',
    tags,
    request: { params: conversationId, body: body(NewMessage) },
    responses: {
      200: {
        description: 'The turn, whole or as a stream',
        content: { 'application/json': looked(Turn), 'text/event-stream': sse },
      },
    },
  },
  { limit: 'ai', problems: [502] },
)
const eventsRoute = personRoute({
  method: 'get',
  path: '/conversations/{id}/events',
  operationId: 'followConversation',
  summary: 'Follow a conversation from where a stream broke off',
  tags,
  request: {
    params: conversationId,
    query: z.strictObject({
      after: z
        .string()
        .max(100)
        .regex(/^([\w-]{1,60}:)?\d{1,15}$/)
        .optional()
        .openapi({ description: 'The last event id seen; without it, only what comes' }),
    }),
  },
  responses: { 200: { description: 'Events, until the client leaves', content: { 'text/event-stream': sse } } },
})
const TurnState = z.strictObject({ turnId: s.id('turn'), status: z.enum(['cancelled', 'ended']) }).openapi('TurnState')
const cancelRoute = personRoute({
  method: 'post',
  path: '/turns/{id}/cancel',
  operationId: 'cancelTurn',
  summary: 'Stop a turn; what it did stays done',
  tags,
  request: { params: z.strictObject({ id: s.id('turn') }) },
  responses: { 200: answer(TurnState, 'It runs no longer') },
})

type Said = { id: string; text: string; confirms: string[] }

/** A turn in the person's session object; its ids come from the context, so a repeat under the same key is the same turn. */
function ask(ctx: UserCtx, { id, text, confirms }: Said, isSigned: boolean) {
  const [turnId, questionId, answerId] = [ctx.newId('turn'), ctx.newId('msg'), ctx.newId('msg')]
  const { userId, sessionId, key } = ctx.actor
  // Whoever demands signatures confirms nothing by a request without one.
  const isTap = confirms.length > 0 && !isSigned
  const session = ctx.env.USER_SESSION.getByName(userId)
  return {
    session,
    request: { turnId, conversationId: id, questionId, answerId, text, confirms },
    by: {
      userId,
      sessionId,
      ...(key && { key }),
      ...(isTap && { isUnsigned: true as const }),
      asked: { requestId: ctx.requestId, client: ctx.client },
    },
  }
}

/** A stream ends with the session that opened it. */
function followOptions({ actor }: UserCtx) {
  return actor.sessionId === null ? {} : { sessionId: actor.sessionId }
}

function isErrorCode(code: string): code is ErrorCode {
  return code in ERRORS
}

const RETRY_AFTER_S = 10

function refused(said: { code: string; detail: string; retryAfterS?: number | null }): AppError {
  const code = isErrorCode(said.code) ? said.code : 'unavailable'
  const retryAfterS = said.retryAfterS ?? (ERRORS[code][0] === 503 ? RETRY_AFTER_S : undefined)
  return new AppError(code, said.detail, retryAfterS === undefined ? {} : { retryAfterS })
}

// The trips a turn took in the session object are trips of the request that waited for them.
function count({ meter }: UserCtx, { trips, ms }: UserCtx['meter']): void {
  meter.trips += trips
  meter.ms += ms
}

const headersOf = ({ answer, overhead }: { answer: Message; overhead: TurnOverhead | null }) =>
  answerHeaders({ ...answer, upstreamMs: answer.totalMs ?? 0, overhead })

function wantsStream(c: Context): boolean {
  return (c.req.header('accept') ?? '').toLowerCase().includes('text/event-stream')
}

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await conversations.listConversations(c.var.ctx, c.req.valid('query')), 200))
  .openapi(createRoute, async (c) => {
    const made = await conversations.createConversation(c.var.ctx, c.req.valid('json'))
    return c.json(made, 201, { ...etag(made.version), Location: `/v1/conversations/${made.id}` })
  })
  .openapi(showRoute, async (c) => {
    const found = await conversations.getConversation(c.var.ctx, c.req.valid('param').id)
    return c.json(found, 200, etag(found.version))
  })
  .openapi(renameRoute, async (c) => {
    const renamed = await ifMatch(c, (version) =>
      conversations.renameConversation(c.var.ctx, c.req.valid('param').id, c.req.valid('json').title, version),
    )
    return c.json(renamed, 200, etag(renamed.version))
  })
  .openapi(deleteRoute, async (c) => {
    await conversations.deleteConversation(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(messagesRoute, async (c) =>
    c.json(await conversations.listMessages(c.var.ctx, c.req.valid('param').id, c.req.valid('query')), 200),
  )
  .openapi(sayRoute, async (c) => {
    const { session, request, by } = ask(
      c.var.ctx,
      { ...c.req.valid('param'), ...c.req.valid('json') },
      claimsSignature(c.req.raw.headers),
    )
    if (wantsStream(c)) {
      const stream = await session.streamTurn(request, by)
      if (!stream.ok) throw refused(stream)
      count(c.var.ctx, stream.database)
      return new Response(stream.body, { headers: SSE_HEADERS })
    }
    const turn = await session.finishTurn(request, by)
    if (!turn.ok) throw refused(turn)
    count(c.var.ctx, turn.database)
    const { answer, reason } = turn
    if (answer.status === 'failed' && !reason && answer.errorCode === 'budget_exhausted')
      throw await explainExhausted(c.var.ctx)
    if (answer.status === 'failed')
      throw refused({ detail: 'The assistant could not answer', ...reason, code: answer.errorCode ?? '' })
    const said = { turnId: request.turnId, question: turn.question, answer: turn.answer }
    return c.json(said, 200, headersOf(turn))
  })
  .openapi(eventsRoute, async (c) => {
    const { id } = c.req.valid('param')
    await conversations.getConversation(c.var.ctx, id)
    const after = c.req.header('last-event-id') ?? c.req.valid('query').after
    const session = c.var.ctx.env.USER_SESSION.getByName(c.var.ctx.actor.userId)
    const body = await session.follow(`conversation:${id}`, after ?? null, followOptions(c.var.ctx))
    return new Response(body, { headers: SSE_HEADERS })
  })
  .openapi(cancelRoute, async (c) => {
    const { id } = c.req.valid('param')
    const { actor, env } = c.var.ctx
    await requireSession(c.var.ctx)
    const cancelled = await env.USER_SESSION.getByName(actor.userId).cancelTurn(id)
    if (!cancelled.ok) throw refused(cancelled)
    await recordAct(c.var.ctx, { person: actor.userId, target: id, changes: { after: { status: cancelled.status } } })
    return c.json({ turnId: id, status: cancelled.status }, 200)
  })
