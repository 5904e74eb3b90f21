import { z } from '@hono/zod-openapi'
import { s } from '#core'

const count = s.int(0, 2_147_483_647)
const micros = s.int(0, Number.MAX_SAFE_INTEGER)
const MAX_TEXT = 8000
const MAX_CONFIRMED = 20

/** What a tool was given and answered: any JSON, as the tool's own schema says. */
const Payload = s.later(() => z.unknown().openapi({ type: 'object', additionalProperties: true }))

const TextPart = s.later(() =>
  z.strictObject({ type: z.literal('text'), text: z.string().max(100_000) }).openapi('TextPart'),
)
const ToolCallPart = s.later(() =>
  z
    .strictObject({ type: z.literal('tool_call'), id: z.string().max(100), name: z.string().max(64), input: Payload() })
    .openapi('ToolCallPart'),
)
const Undo = s.later(() =>
  z.strictObject({ tool: z.string().max(64), input: Payload(), says: z.string().max(500) }).openapi('Undo'),
)
const ToolResultPart = s.later(() =>
  z
    .strictObject({
      type: z.literal('tool_result'),
      callId: z.string().max(100),
      name: z.string().max(64),
      output: Payload(),
      isError: z.boolean(),
      undo: Undo().optional(),
    })
    .openapi('ToolResultPart'),
)
export const Part = s.later(() =>
  z.discriminatedUnion('type', [TextPart(), ToolCallPart(), ToolResultPart()]).openapi('Part'),
)
export type Part = z.infer<ReturnType<typeof Part>>
export type ToolResultPart = z.infer<ReturnType<typeof ToolResultPart>>

const MessageStatus = z.enum(['streaming', 'done', 'failed', 'cancelled', 'interrupted'])

export const Message = s.later(() =>
  z
    .strictObject({
      id: s.id('msg'),
      conversationId: s.id('cnv'),
      turnId: s.id('turn'),
      role: z.enum(['user', 'assistant']),
      status: MessageStatus,
      text: z.string().max(200_000).openapi({ description: 'The text parts, joined' }),
      parts: s.list(Part(), 500),
      callId: s.id('aic').nullable().openapi({ description: 'Why this model: `GET /v1/ai/decisions/{id}`' }),
      model: z.string().max(100).nullable(),
      provider: z.string().max(50).nullable(),
      inputTokens: count,
      outputTokens: count,
      cacheReadTokens: count,
      cacheWriteTokens: count,
      costMicros: micros.openapi({ description: 'Micro-dollars' }),
      firstTokenMs: count.nullable(),
      totalMs: count.nullable(),
      errorCode: z.string().max(50).nullable(),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Message'),
)
export type Message = z.infer<ReturnType<typeof Message>>
export const MessagePage = s.later(() => s.pageOf(Message()).openapi('MessagePage'))

export const Conversation = s.later(() =>
  z
    .strictObject({
      id: s.id('cnv'),
      title: z.string().max(200),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Conversation'),
)
export type Conversation = z.infer<ReturnType<typeof Conversation>>
export const ConversationPage = s.later(() => s.pageOf(Conversation()).openapi('ConversationPage'))
export const NewConversation = z
  .strictObject({ title: s.line(200).default('New conversation') })
  .openapi('NewConversation')
export type NewConversation = z.infer<typeof NewConversation>
export const ConversationPatch = z.strictObject({ title: s.line(200) }).openapi('ConversationPatch')

export const NewMessage = z
  .strictObject({
    text: s.text(MAX_TEXT, 1).regex(/\S/, 'must say something'),
    confirms: s
      .list(s.line(100), MAX_CONFIRMED)
      .default([])
      .openapi({ description: 'Calls of the last answer, by their `callId`, that asked to be confirmed and now are' }),
  })
  .openapi('NewMessage')

/** What a turn answers at its end: what was said, and what came back. */
export const Turn = s.later(() =>
  z.strictObject({ turnId: s.id('turn'), question: Message(), answer: Message() }).openapi('Turn'),
)
export type Turn = z.infer<ReturnType<typeof Turn>>
