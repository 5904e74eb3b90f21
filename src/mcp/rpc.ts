import { z } from 'zod'
import { AppError, type ErrorCode } from '#core'

/** JSON-RPC's own codes, and MCP's for a resource that is not there. */
export const CODES = { parse: -32700, request: -32600, method: -32601, params: -32602, internal: -32603 } as const
const RESOURCE_NOT_FOUND = -32002
const REFUSED = -32000

/** One message of a client: a request has an id and a method, a notification no id, an answer no method. */
export const Message = z.looseObject({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string().max(200), z.number()]).optional(),
  method: z.string().max(200).optional(),
  params: z.record(z.string(), z.unknown()).optional(),
})
export type Message = z.infer<typeof Message>

/** A failure in the protocol's own words. */
export class RpcError extends Error {
  readonly code: number
  readonly data: object | undefined
  constructor(code: number, message: string, data?: object) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.data = data
  }
}

export function noResource(uri: string): RpcError {
  return new RpcError(RESOURCE_NOT_FOUND, 'Resource not found', { uri })
}

/** What the params are, or -32602 with the first thing that is wrong. */
export function readParams<T extends z.ZodType>(schema: T, params: unknown): z.output<T> {
  const parsed = schema.safeParse(params)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new RpcError(CODES.params, `Invalid params: /${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'not valid'}`)
}

export function rpcFailure(id: Message['id'] | null, { code, message, data }: RpcError): object {
  return { jsonrpc: '2.0', id: id ?? null, error: { code, message, ...(data && { data }) } }
}

/** A domain's error outside of a tool. */
export function fromAppError(error: AppError): RpcError {
  const isTheirs = error.code === 'invalid_request' || error.code === 'invalid_cursor'
  return new RpcError(isTheirs ? CODES.params : REFUSED, error.message, { code: error.code })
}

type Problem = { status: number; detail: string; instance: string; code: ErrorCode | 'internal' }

/** A refusal at the door, before any method: the answer keeps its HTTP status. */
export function toRpcProblem({ status, detail, instance, code }: Problem, error: unknown): object {
  const isText = error instanceof AppError && error.cause instanceof SyntaxError
  const known = isText ? CODES.parse : status >= 500 ? CODES.internal : status === 400 ? CODES.request : REFUSED
  return rpcFailure(null, new RpcError(known, detail, { code, requestId: instance }))
}
