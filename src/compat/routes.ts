import type { Context } from 'hono'
import { answerHeaders, refusedTokens } from '#ai'
import { AppError, type Ctx, createApp, type RouteMeta, type UserCtx } from '#core'
import * as anthropic from './anthropic-messages.ts'
import { type Answering, type Asked, ask, collect, type Whole } from './ask.ts'
import { embedTexts, toEmbeddings } from './embeddings.ts'
import { anthropicModel, anthropicModels, openaiModel, openaiModels } from './models.ts'
import { chatTeller, type Frame, readChat, toCompletion } from './openai-chat.ts'
import { readResponses, responseTeller, toResponse } from './openai-responses.ts'
import { ChatRequest, CountRequest, EmbeddingsRequest, MessagesRequest, parse, ResponsesRequest } from './schema.ts'
import { protocolOf, tokenHeadersIn } from './speak.ts'
import { type Teller, toStream } from './stream.ts'
import { toTranscription, transcribeUpload } from './transcriptions.ts'
import { watchSession } from './watch.ts'

type Handler = (c: Context, ctx: UserCtx) => Promise<Response>
type Route = {
  method: 'GET' | 'POST'
  path: string
  summary: string
  limit: RouteMeta['limit']
  admitsLate?: boolean
  handle: Handler
}

const CLIENT_GONE = 499

/** What a protocol makes of a request. */
type Spoken = {
  asked: Asked
  isStream: boolean
  whole(frame: Frame, said: Whole): object
  teller(frame: Frame): Teller
}

/** One answer, whole or as a stream; it ends with the client that waits for it. */
async function answer(c: Context, ctx: UserCtx, { asked, isStream, whole, teller }: Spoken): Promise<Response> {
  const { signal: gone } = c.req.raw
  const controller = new AbortController()
  const leave = () => controller.abort()
  gone.addEventListener('abort', leave)
  const protocol = protocolOf(c.req.path) ?? 'openai'
  const isFresh = /\bno-(?:cache|store)\b/i.test(c.req.header('cache-control') ?? '')
  const work = async () => {
    const answering = await ask(ctx, `compat.${protocol}`, asked, isFresh, controller.signal)
    const watch = watchSession(ctx, controller)
    const end = () => {
      watch.stop()
      gone.removeEventListener('abort', leave)
    }
    const createdS = Math.floor(ctx.now().getTime() / 1000)
    const frame = {
      id: answering.start.decision.id.slice('aic_'.length),
      model: asked.model,
      createdS,
      path: c.req.path,
    }
    const left = tokenHeadersIn(protocol, answering.start.tokens, ctx.now())
    if (!isStream) {
      const said = await collect(ctx, answering).finally(end)
      return c.json(whole(frame, said), 200, { ...headersOf(answering, said.end.receipt.costMicros), ...left })
    }
    const { body, over } = toStream(ctx, answering, teller(frame), controller)
    ctx.waitUntil(over.finally(end))
    const headers = {
      ...headersOf(answering),
      ...left,
      'Content-Type': 'text/event-stream; charset=utf-8',
      'X-Accel-Buffering': 'no',
    }
    return new Response(body, { headers: { ...headers, 'Cache-Control': 'no-store' } })
  }
  const working = work()
  // Whoever leaves before the answer leaves work to be let go of and paid for.
  ctx.waitUntil(working.catch(() => undefined))
  try {
    return await working
  } catch (error) {
    if (controller.signal.aborted) return new Response(null, { status: CLIENT_GONE })
    throw error
  }
}

/** The cost of a stream is known, and told, at its end. */
const headersOf = ({ start: { decision, overhead }, upstreamMs }: Answering, costMicros?: number) =>
  answerHeaders({
    ...{ ...decision, callId: decision.id, costMicros, upstreamMs },
    overhead: { ...overhead, cache: decision.cache },
  })

type Used = { provider: string; model: { name: string } } | null

/** Of what one configured model did at once. */
const paidOf = ({ costMicros }: { costMicros: number }, used: Used) => ({
  'Aurelius-Model': used?.model.name ?? '',
  'Aurelius-Provider': used?.provider ?? '',
  'Aurelius-Cost-Micros': String(costMicros),
})

async function bodyOf(c: Context): Promise<unknown> {
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(c.req.header('content-type') ?? ''))
    throw new AppError('unsupported_media_type', 'The body must be application/json')
  return await c.req.json()
}

const chat: Handler = async (c, ctx) => {
  const body = parse(ChatRequest(), await bodyOf(c))
  return await answer(c, ctx, {
    asked: readChat(body, ctx.now().toISOString()),
    isStream: body.stream === true,
    whole: toCompletion,
    teller: (frame) => chatTeller(frame, body.stream_options?.include_usage === true),
  })
}

const responses: Handler = async (c, ctx) => {
  const body = parse(ResponsesRequest(), await bodyOf(c))
  return await answer(c, ctx, {
    asked: readResponses(body, ctx.now().toISOString()),
    isStream: body.stream === true,
    whole: (frame, said) => toResponse(frame, body, said),
    teller: (frame) => responseTeller(frame, body),
  })
}

const embeddings: Handler = async (c, ctx) => {
  const body = parse(EmbeddingsRequest(), await bodyOf(c))
  const working = embedTexts(ctx, body)
  // Whoever leaves is still to be charged what it cost, and no more.
  ctx.waitUntil(working.catch(() => undefined))
  const embedded = await working
  return c.json(toEmbeddings(embedded, body.encoding_format ?? 'float'), 200, {
    ...paidOf(embedded, ctx.config.ai.embeddings),
    ...tokenHeadersIn('openai', embedded.tokens, ctx.now()),
  })
}

const transcriptions: Handler = async (c, ctx) => {
  const controller = new AbortController()
  c.req.raw.signal.addEventListener('abort', () => controller.abort())
  const [type = '', length = '0'] = [c.req.header('content-type'), c.req.header('content-length')]
  const upload = { type, length: Number(length), body: c.req.raw.body }
  const working = transcribeUpload(ctx, upload, controller.signal)
  ctx.waitUntil(working.catch(() => undefined))
  const transcript = await working
  return c.json(toTranscription(transcript), 200, paidOf(transcript, ctx.config.ai.transcription))
}

const messages: Handler = async (c, ctx) => {
  const body = parse(MessagesRequest(), await bodyOf(c))
  return await answer(c, ctx, {
    asked: anthropic.readMessagesRequest(body, ctx.now().toISOString()),
    isStream: body.stream === true,
    whole: anthropic.toMessage,
    teller: anthropic.messageTeller,
  })
}

const count: Handler = async (c, ctx) => {
  const body = parse(CountRequest(), await bodyOf(c))
  return c.json(await anthropic.countTokens(ctx, body))
}

const claudeModels: Handler = async (c, ctx) => {
  const { limit, after_id: after, before_id: before } = c.req.query()
  return c.json(await anthropicModels(ctx, { limit, after, before }))
}

const idOf = (c: Context) => c.req.param('id') ?? ''
const OPENAI = '/compat/openai/v1'
const ANTHROPIC = '/compat/anthropic/v1'
const post = { method: 'POST', limit: 'ai' } as const
const asking = { ...post, admitsLate: true } as const
const get = { method: 'GET', limit: 'read' } as const
const ROUTES: Route[] = [
  { ...asking, path: `${OPENAI}/chat/completions`, summary: 'An answer, whole or as a stream', handle: chat },
  {
    ...asking,
    path: `${OPENAI}/responses`,
    summary: 'An answer in the newer form; nothing is kept',
    handle: responses,
  },
  { ...post, path: `${OPENAI}/embeddings`, summary: 'Vectors of texts', handle: embeddings },
  { ...post, path: `${OPENAI}/audio/transcriptions`, summary: 'The words of a recording', handle: transcriptions },
  {
    ...get,
    path: `${OPENAI}/models`,
    summary: '`aurelius` and the models of the catalogue',
    handle: async (c, ctx) => c.json(await openaiModels(ctx)),
  },
  {
    ...get,
    path: `${OPENAI}/models/{id}`,
    summary: 'One model',
    handle: async (c, ctx) => c.json(await openaiModel(ctx, idOf(c))),
  },
  { ...asking, path: `${ANTHROPIC}/messages`, summary: 'An answer, whole or as a stream', handle: messages },
  {
    ...post,
    limit: 'read',
    path: `${ANTHROPIC}/messages/count_tokens`,
    summary: 'How many tokens it would be, estimated',
    handle: count,
  },
  { ...get, path: `${ANTHROPIC}/models`, summary: '`aurelius` and the models of the catalogue', handle: claudeModels },
  {
    ...get,
    path: `${ANTHROPIC}/models/{id}`,
    summary: 'One model',
    handle: async (c, ctx) => c.json(await anthropicModel(ctx, idOf(c))),
  },
]

/** What is offered here: not in the OpenAPI document, because these protocols have their own. */
export const COMPAT_ROUTES = ROUTES.map(({ method, path, summary }) => ({ method, path, summary }))

function asPerson({ actor, ...ctx }: Ctx): UserCtx {
  if (actor.kind !== 'person') throw new AppError('unauthorized', 'Send an access token')
  return { ...ctx, actor }
}

/** A refusal tells what is left too. */
function refuse(c: Context, error: unknown): never {
  const headers = tokenHeadersIn(protocolOf(c.req.path) ?? 'openai', refusedTokens(error), c.var.ctx.now())
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  throw error
}

export const app = createApp()
for (const { method, path, limit, admitsLate, handle } of ROUTES) {
  const meta: RouteMeta = {
    operation: `${method} ${path}`,
    auth: 'person',
    limit,
    path,
    keyed: false,
    hasBody: method === 'POST' && handle !== transcriptions,
    ...(admitsLate && { admitsLate }),
  }
  if (path.startsWith(ANTHROPIC)) meta.keyHeader = 'x-api-key'
  app.on(
    method,
    path.replace('{id}', ':id{.+}'),
    (c, next) => c.var.guard(c, meta, next),
    (c) => handle(c, asPerson(c.var.ctx)).catch((error: unknown) => refuse(c, error)),
  )
}
