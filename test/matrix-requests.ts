import {
  fillPath,
  idPrefixOf,
  type JsonSchema,
  type OpenApi,
  type Operation,
  resolveSchema,
} from './openapi-document.ts'
import { sample, sampleBody } from './openapi-sample.ts'
import { isObject } from './openapi-schema.ts'
import type { CallOptions } from './world.ts'

export type Request = { method: string; path: string; options: Omit<CallOptions, 'token'> }
/** Real ids to put where a schema wants one, by prefix. */
export type Ids = Record<string, string>

/** A small request this operation takes: path ids from `ids`, any version, a body that changes something. */
export function requestFor(document: OpenApi, operation: Operation, ids: Ids = {}): Request {
  const values = operation.parameters.filter((parameter) => parameter.in === 'path')
  const named = values.map(({ name, schema }) => [
    name,
    ids[idPrefixOf(document, schema) ?? ''] ?? pathSample(document, schema),
  ])
  const query = operation.parameters
    .filter((parameter) => parameter.in === 'query' && parameter.required)
    .map(({ name, schema }) => [name, String(sample(document, schema))])
  const search = query.length > 0 ? `?${new URLSearchParams(Object.fromEntries(query))}` : ''
  return {
    method: operation.method,
    path: fillPath(operation.path, Object.fromEntries(named)) + search,
    options: {
      headers: operation.takesIfMatch ? { 'if-match': '*' } : {},
      ...(operation.body && { body: bodyFor(document, operation) }),
    },
  }
}

const pathSample = (document: OpenApi, schema: JsonSchema) => String(sample(document, schema))

// A patch may leave everything out: then its first simple property is sent, so that there is something to change.
function bodyFor(document: OpenApi, operation: Operation): unknown {
  const least = sampleBody(document, operation)
  if (!operation.body || !isObject(least) || Object.keys(least).length > 0) return least
  const { properties = {} } = resolveSchema(document, operation.body)
  const first = Object.entries(properties).find(([, schema]) => resolveSchema(document, schema).type === 'string')
  return first ? { [first[0]]: sample(document, first[1]) } : least
}

/** A place in a request, other than its path, where an id is named. */
export type IdSlot = { at: string; prefix: string; request(id: string, own: Ids): Request }

/** Every place in the body and the query where an operation takes an id. */
export function idSlots(document: OpenApi, operation: Operation): IdSlot[] {
  const inQuery = operation.parameters
    .filter((parameter) => parameter.in === 'query')
    .flatMap(({ name, schema }) =>
      alternatives(document, schema).flatMap((one) => {
        const prefix = idPrefixOf(document, one)
        if (prefix === undefined) return []
        const request = (id: string, own: Ids): Request => {
          const base = requestFor(document, operation, own)
          return { ...base, path: `${base.path}${base.path.includes('?') ? '&' : '?'}${name}=${id}` }
        }
        return [{ at: `query/${name}`, prefix, request }]
      }),
    )
  const inBody = operation.body ? places(document, operation.body, '') : []
  return [
    ...inQuery,
    ...inBody.map(({ at, prefix, build }) => ({
      at,
      prefix,
      request: (id: string, own: Ids): Request => {
        const base = requestFor(document, operation, own)
        return { ...base, options: { ...base.options, body: build(id, own) } }
      },
    })),
  ]
}

type Place = { at: string; prefix: string; build(id: string, own: Ids): unknown }

function alternatives(document: OpenApi, schema: JsonSchema): JsonSchema[] {
  const resolved = resolveSchema(document, schema)
  const choices = [...(resolved.oneOf ?? []), ...(resolved.anyOf ?? []), ...(resolved.allOf ?? [])]
  return choices.length > 0 ? choices.flatMap((choice) => alternatives(document, choice)) : [resolved]
}

function places(document: OpenApi, schema: JsonSchema, at: string): Place[] {
  return alternatives(document, schema).flatMap((one): Place[] => {
    const prefix = idPrefixOf(document, one)
    if (prefix !== undefined) return [{ at, prefix, build: (id) => id }]
    if (one.items)
      return places(document, one.items, `${at}/0`).map((place) => ({
        ...place,
        build: (id, own) => [place.build(id, own)],
      }))
    return Object.entries(one.properties ?? {}).flatMap(([name, property]) =>
      places(document, property, `${at}/${name}`).map((place) => ({
        ...place,
        build: (id, own) => ({ ...ownSample(document, one, own), [name]: place.build(id, own) }),
      })),
    )
  })
}

// What else the object needs, with the caller's own ids where it needs any.
function ownSample(document: OpenApi, schema: JsonSchema, own: Ids): object {
  const made = sample(document, schema, {
    pick: (inner) => {
      const id = own[idPrefixOf(document, inner) ?? '']
      return id === undefined ? undefined : { value: id }
    },
  })
  return isObject(made) ? made : {}
}
