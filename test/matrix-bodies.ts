import fc from 'fast-check'
import { type JsonSchema, type OpenApi, resolveSchema } from './openapi-document.ts'
import { sample } from './openapi-sample.ts'
import { isObject, violations } from './openapi-schema.ts'

const NUL = 'a\0b'
const LONE = 'a\ud800b'

// Names that mean something to the language or would to a careless verb.
const NAMES = ['role', 'userId', 'ownerId', 'tenantId', 'plan', 'createdAt', 'deletedAt', 'constructor', 'prototype']
const LANGUAGE = ['__proto__', 'toString', 'hasOwnProperty', 'valueOf', '', '$where', 'a.b', '\ud800', '\0']
const ODD: unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  -1e308,
  2 ** 53,
  '',
  ' ',
  'x',
  '1',
  'null',
  [],
  {},
  [[]],
  [null],
  { constructor: { prototype: { admin: true } } },
  JSON.parse('{"__proto__":{"admin":true}}'),
]

type Place = { pointer: string[]; schema: JsonSchema }

/** Every place in a value, with the schema that is asked of it. */
function placesOf(document: OpenApi, schema: JsonSchema, value: unknown, pointer: string[] = []): Place[] {
  const resolved = resolveSchema(document, schema)
  const choices = resolved.oneOf ?? resolved.anyOf
  const fitting = choices?.find((choice) => violations(document, choice, value).length === 0)
  if (fitting) return placesOf(document, fitting, value, pointer)
  const inside = isObject(value)
    ? Object.entries(value).flatMap(([name, inner]) =>
        placesOf(document, resolved.properties?.[name] ?? {}, inner, [...pointer, name]),
      )
    : Array.isArray(value)
      ? value.flatMap((inner, index) => placesOf(document, resolved.items ?? {}, inner, [...pointer, String(index)]))
      : []
  return [{ pointer, schema: resolved }, ...inside]
}

function replaced(value: unknown, [first, ...rest]: string[], change: (old: unknown) => unknown): unknown {
  if (first === undefined) return change(value)
  if (Array.isArray(value)) return value.map((item, at) => (String(at) === first ? replaced(item, rest, change) : item))
  return isObject(value) ? { ...value, [first]: replaced(value[first], rest, change) } : value
}

/** Values one step outside of what the schema allows. */
function beyond(document: OpenApi, schema: JsonSchema): unknown[] {
  const { maxLength, minLength, maximum, minimum, maxItems, minItems, items } = schema
  const many = (count: number) => Array.from({ length: count }, () => sample(document, items ?? {}))
  return [
    ...(maxLength === undefined ? [] : ['x'.repeat(maxLength + 1), 'é'.repeat(maxLength + 1)]),
    ...(minLength ? ['x'.repeat(minLength - 1)] : []),
    ...(maximum === undefined ? [] : [maximum + 1, maximum + 0.5]),
    ...(minimum === undefined ? [] : [minimum - 1, minimum - 0.5]),
    ...(maxItems === undefined ? [] : [many(maxItems + 1), many(maxItems * 20)]),
    ...(minItems ? [many(minItems - 1)] : []),
  ]
}

const takesText = (schema: JsonSchema) => [schema.type ?? []].flat().includes('string')

/** Bodies that are JSON and not what the schema says. */
export function wrongBodies(document: OpenApi, schema: JsonSchema): fc.Arbitrary<{ what: string; body: unknown }> {
  const whole = sample(document, schema, { whole: true })
  const places = placesOf(document, schema, whole)
  const texts = places.filter((place) => takesText(place.schema))
  const at = (from: Place[]) => fc.constantFrom(...from)
  const name = fc.oneof(fc.constantFrom(...NAMES, ...LANGUAGE), fc.string({ maxLength: 20 }))
  const odd = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ODD) }, { weight: 1, arbitrary: fc.jsonValue() })
  const put = ({ pointer }: Place, body: unknown, what: string) => ({
    what: `${what} at /${pointer.join('/')}`,
    body: replaced(whole, pointer, () => body),
  })
  const outside = places.filter((place) => beyond(document, place.schema).length > 0)
  const objects = places.filter(({ schema: { properties } }) => properties)
  const wrong = [
    at(places).chain((place) => odd.map((value) => put(place, value, 'another kind of value'))),
    ...(objects.length === 0
      ? []
      : [
          at(objects).chain(({ pointer }) =>
            fc.tuple(name, odd).map(([key, value]) => ({
              what: `an extra ${JSON.stringify(key)} at /${pointer.join('/')}`,
              body: replaced(whole, pointer, (old) => ({ ...(isObject(old) && old), [key]: value })),
            })),
          ),
          at(objects).chain(({ pointer, schema: { required = [] } }) =>
            fc.constantFrom(...required, 'nothing').map((key) => ({
              what: `no ${key} at /${pointer.join('/')}`,
              body: replaced(whole, pointer, (old) =>
                Object.fromEntries(Object.entries(old ?? {}).filter(([own]) => own !== key)),
              ),
            })),
          ),
        ]),
    ...(outside.length === 0
      ? []
      : [
          at(outside).chain((place) =>
            fc
              .constantFrom(...beyond(document, place.schema))
              .map((value) => put(place, value, 'a value beyond its bounds')),
          ),
        ]),
    fc.jsonValue().map((body) => ({ what: 'any JSON', body })),
  ]
  const invalid = fc.oneof(...wrong).filter(({ body }) => violations(document, schema, body).length > 0)
  if (texts.length === 0) return invalid
  const unstorable = at(texts).chain((place) =>
    fc.constantFrom(NUL, LONE, `${LONE}${NUL}`).map((value) => put(place, value, 'text that cannot be kept')),
  )
  return fc.oneof({ weight: 6, arbitrary: invalid }, { weight: 1, arbitrary: unstorable })
}
