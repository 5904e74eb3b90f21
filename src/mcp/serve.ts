import { requireSession } from '#auth'
import { describeError, findAppError, type UserCtx } from '#core'
import { databaseFailure } from '#database'
import { METHODS, type Method, PROTOCOL_VERSIONS } from './methods.ts'
import { CODES, fromAppError, Message, RpcError, rpcFailure } from './rpc.ts'

/** An answer over HTTP; `body` null where there is nothing to say. */
export type Served = { status: 200 | 202 | 400; body: object | null }

// A client that names no revision speaks the one before the header was asked for.
const ACCEPTED = [...PROTOCOL_VERSIONS, '2025-03-26']

/**
 * Answers one message of a client, knowing nothing of those before it. Throws what is told by an HTTP status alone:
 * a session that has ended, whatever was asked.
 */
export async function serve(
  ctx: UserCtx,
  sent: unknown,
  version: string | undefined,
  methods: Record<string, Method> = METHODS,
): Promise<Served> {
  const answer = await answerMessage(ctx, sent, version, methods)
  // No statement asked whether the session lives: it is asked now.
  if (ctx.meter.trips === 0) await requireSession(ctx)
  return answer
}

async function answerMessage(
  ctx: UserCtx,
  sent: unknown,
  version: string | undefined,
  methods: Record<string, Method>,
): Promise<Served> {
  const read = Message.safeParse(sent)
  if (!read.success) return refused(new RpcError(CODES.request, 'Not a JSON-RPC 2.0 message'))
  const { id, method, params = {}, ...rest } = read.data
  if (version !== undefined && !ACCEPTED.includes(version))
    return refused(new RpcError(CODES.request, `Unsupported protocol version; ${ACCEPTED.join(', ')} are supported`))
  if (method === undefined) {
    const isAnswer = id !== undefined && ('result' in rest || 'error' in rest)
    // Nothing was asked of the client: there is nobody an answer could be for.
    return isAnswer ? { status: 202, body: null } : refused(new RpcError(CODES.request, 'There is no method'))
  }
  if (id === undefined) return { status: 202, body: null }
  return { status: 200, body: await run(ctx, { id, method, params }, methods) }
}

const refused = (error: RpcError): Served => ({ status: 400, body: rpcFailure(null, error) })

type Request = { id: string | number; method: string; params: Record<string, unknown> }

async function run(ctx: UserCtx, { id, method, params }: Request, methods: Record<string, Method>): Promise<object> {
  const called = Object.hasOwn(methods, method) ? methods[method] : undefined
  if (!called) return rpcFailure(id, new RpcError(CODES.method, `Method not found: ${method}`))
  try {
    return { jsonrpc: '2.0', id, result: await called(ctx, params) }
  } catch (error) {
    if (error instanceof RpcError) return rpcFailure(id, error)
    const known = findAppError(error) ?? databaseFailure(error)
    if (known?.code === 'session_ended') throw known
    if (known) return rpcFailure(id, fromAppError(known))
    ctx.log.error('mcp.failed', { method, ...describeError(error) })
    return rpcFailure(
      id,
      new RpcError(CODES.internal, 'Something went wrong on our side', { requestId: ctx.requestId }),
    )
  }
}
