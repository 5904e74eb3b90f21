export type JsonSchema = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  default?: unknown
  example?: unknown
  examples?: unknown[]
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  items?: JsonSchema
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean | JsonSchema
  propertyNames?: JsonSchema
  minProperties?: number
  maxProperties?: number
  allOf?: JsonSchema[]
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  not?: JsonSchema
}

export type Parameter = { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema: JsonSchema }
export type Content = Record<string, { schema: JsonSchema }>
type DocumentedResponse = { description: string; headers?: Record<string, { required?: boolean }>; content?: Content }
type Documented = {
  operationId: string
  'x-rate-limit'?: string
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, DocumentedResponse>
}
export type OpenApi = {
  paths: Record<string, Record<string, Documented>>
  components: { schemas: Record<string, JsonSchema> }
}

/** One method of one path, as the document tells of it. */
export type Operation = {
  /** `POST /v1/memories` */
  id: string
  method: string
  path: string
  operationId: string
  auth: 'none' | 'person' | 'operator'
  /** The class its calls are counted in. */
  limit: string | undefined
  parameters: Parameter[]
  body: JsonSchema | undefined
  responses: Record<string, DocumentedResponse>
  takesKey: boolean
  takesIfMatch: boolean
}

export function readOperations(document: OpenApi): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, spec]) => toOperation(method.toUpperCase(), path, spec)),
  )
}

function toOperation(method: string, path: string, spec: Documented): Operation {
  const { operationId, responses, parameters = [] } = spec
  const schemes = (spec.security ?? []).flatMap((entry) => Object.keys(entry))
  const takes = (header: string) =>
    parameters.some((parameter) => parameter.in === 'header' && parameter.name.toLowerCase() === header)
  return {
    id: `${method} ${path}`,
    method,
    path,
    operationId,
    auth: schemes.includes('accessToken') ? 'person' : schemes.includes('operatorToken') ? 'operator' : 'none',
    limit: spec['x-rate-limit'],
    parameters,
    // What is a form is refused as JSON: those tests send no other.
    body: Object.values(spec.requestBody?.content ?? {})[0]?.schema,
    responses,
    takesKey: takes('idempotency-key'),
    takesIfMatch: takes('if-match'),
  }
}

/** Follows references until there is a schema. */
export function resolveSchema(document: OpenApi, schema: JsonSchema): JsonSchema {
  let at = schema
  while (at.$ref !== undefined) {
    const found = document.components.schemas[at.$ref.replace('#/components/schemas/', '')]
    if (!found) throw new Error(`the document has no ${at.$ref}`)
    at = found
  }
  return at
}

export const pathParameters = (path: string): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')

/** The path with its parameters filled in; one that has no value is a mistake. */
export function fillPath(path: string, values: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${path} needs a value for ${name}`)
    return encodeURIComponent(value)
  })
}

/** Whether a concrete path is of this template. */
export function fits(template: string, path: string): boolean {
  const pattern = template.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${pattern}$`).test(path)
}

/** The operation a request reaches: a path without parameters goes before one with. */
export function findOperation(operations: Operation[], method: string, path: string): Operation | undefined {
  const found = operations.filter((operation) => operation.method === method && fits(operation.path, path))
  return found.find((operation) => operation.path === path) ?? found[0]
}

const ID_PATTERN = /^\^([a-z]{2,5})_\[0-9a-hj/

/** The prefix of the ids a schema takes (`task` of `task_…`), undefined where it takes none. */
export function idPrefixOf(document: OpenApi, schema: JsonSchema): string | undefined {
  return ID_PATTERN.exec(resolveSchema(document, schema).pattern ?? '')?.[1]
}
