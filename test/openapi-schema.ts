import { isDeepStrictEqual } from 'node:util'
import { type JsonSchema, type OpenApi, resolveSchema } from './openapi-document.ts'

const SILENT = new Set(['description', 'title', 'default', 'example', 'examples', 'deprecated', 'discriminator'])
const FORMATS: Record<string, RegExp> = {
  'date-time': /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/,
  date: /^\d{4}-\d{2}-\d{2}$/,
  email: /^[^@\s]+@[^@\s]+$/,
  uri: /^[a-z][a-z0-9+.-]*:\S+$/i,
}
// Formats that only hint at how a value is kept or shown.
const HINTS = new Set(['int32', 'int64', 'float', 'double', 'password', 'binary'])

type Object = Record<string, unknown>
export const isObject = (value: unknown): value is Object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const TYPES: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: Array.isArray,
  object: isObject,
}

type Check = (value: unknown, schema: JsonSchema, visit: Visit) => string[]
type Visit = (value: unknown, schema: JsonSchema, at: string) => string[]

const said = (wrong: boolean, what: string) => (wrong ? [what] : [])
const text = (test: (value: string) => boolean, what: string, value: unknown) =>
  said(typeof value === 'string' && !test(value), what)
const count = (value: unknown, test: (value: number) => boolean, what: string) =>
  said(typeof value === 'number' && !test(value), what)
const length = (value: string) => [...value].length

const CHECKS: Record<string, Check> = {
  type: (value, { type }) => {
    const types = [type ?? []].flat()
    return said(!types.some((name) => TYPES[name]?.(value)), `is not of type ${types.join(' or ')}`)
  },
  enum: (value, schema) =>
    said(!schema.enum?.some((known) => isDeepStrictEqual(known, value)), `is none of ${JSON.stringify(schema.enum)}`),
  const: (value, schema) => said(!isDeepStrictEqual(schema.const, value), `is not ${JSON.stringify(schema.const)}`),
  format: (value, { format = '' }) => {
    if (HINTS.has(format)) return []
    const pattern = FORMATS[format]
    if (!pattern) throw new Error(`the format ${format} is not known to the tests`)
    return text((value) => pattern.test(value), `is not a ${format}`, value)
  },
  pattern: (value, { pattern = '' }) =>
    text((value) => new RegExp(pattern, 'u').test(value), `does not match ${pattern}`, value),
  minLength: (value, { minLength = 0 }) => text((value) => length(value) >= minLength, `is under ${minLength}`, value),
  maxLength: (value, { maxLength = 0 }) => text((value) => length(value) <= maxLength, `is over ${maxLength}`, value),
  minimum: (value, { minimum = 0 }) => count(value, (value) => value >= minimum, `is under ${minimum}`),
  maximum: (value, { maximum = 0 }) => count(value, (value) => value <= maximum, `is over ${maximum}`),
  exclusiveMinimum: (value, { exclusiveMinimum: least = 0 }) =>
    count(value, (value) => value > least, `is not over ${least}`),
  exclusiveMaximum: (value, { exclusiveMaximum: most = 0 }) =>
    count(value, (value) => value < most, `is not under ${most}`),
  multipleOf: (value, { multipleOf = 1 }) =>
    count(value, (value) => value % multipleOf === 0, `is no multiple of ${multipleOf}`),
  items: (value, { items = {} }, visit) =>
    Array.isArray(value) ? value.flatMap((item, index) => visit(item, items, `/${index}`)) : [],
  minItems: (value, { minItems = 0 }) =>
    said(Array.isArray(value) && value.length < minItems, `has under ${minItems} items`),
  maxItems: (value, { maxItems = 0 }) =>
    said(Array.isArray(value) && value.length > maxItems, `has over ${maxItems} items`),
  uniqueItems: (value) =>
    said(
      Array.isArray(value) && new Set(value.map((item) => JSON.stringify(item))).size < value.length,
      'repeats an item',
    ),
  required: (value, { required = [] }) =>
    isObject(value) ? required.filter((name) => !Object.hasOwn(value, name)).map((name) => `lacks ${name}`) : [],
  properties: (value, { properties = {} }, visit) =>
    isObject(value)
      ? Object.entries(properties).flatMap(([name, schema]) =>
          Object.hasOwn(value, name) ? visit(value[name], schema, `/${name}`) : [],
        )
      : [],
  additionalProperties: (value, { properties = {}, additionalProperties: rest }, visit) => {
    if (!isObject(value) || rest === true || rest === undefined) return []
    const more = Object.keys(value).filter((name) => !Object.hasOwn(properties, name))
    return more.flatMap((name) =>
      rest === false ? [`has an undeclared ${name}`] : visit(value[name], rest, `/${name}`),
    )
  },
  propertyNames: (value, { propertyNames = {} }, visit) =>
    isObject(value) ? Object.keys(value).flatMap((name) => visit(name, propertyNames, `/${name}`)) : [],
  minProperties: (value, { minProperties = 0 }) =>
    said(isObject(value) && Object.keys(value).length < minProperties, `has under ${minProperties} properties`),
  maxProperties: (value, { maxProperties = 0 }) =>
    said(isObject(value) && Object.keys(value).length > maxProperties, `has over ${maxProperties} properties`),
  allOf: (value, { allOf = [] }, visit) => allOf.flatMap((schema) => visit(value, schema, '')),
  anyOf: (value, { anyOf = [] }, visit) => alternatives(value, anyOf, visit, (fitting) => fitting >= 1),
  oneOf: (value, { oneOf = [] }, visit) => alternatives(value, oneOf, visit, (fitting) => fitting === 1),
  not: (value, { not = {} }, visit) => said(visit(value, not, '').length === 0, 'is what it must not be'),
}

function alternatives(value: unknown, schemas: JsonSchema[], visit: Visit, enough: (fitting: number) => boolean) {
  const each = schemas.map((schema) => visit(value, schema, ''))
  const fitting = each.filter((problems) => problems.length === 0).length
  return enough(fitting)
    ? []
    : [`fits ${fitting} of ${schemas.length} alternatives: ${each.flat().slice(0, 3).join('; ')}`]
}

/**
 * Where a value is not what the schema says, as `/pointer: what`; none where it is. A keyword that is not known here
 * is thrown, so that no promise of the document goes unchecked.
 */
export function violations(document: OpenApi, schema: JsonSchema, value: unknown, at = ''): string[] {
  const resolved = resolveSchema(document, schema)
  const visit: Visit = (inner, innerSchema, step) => violations(document, innerSchema, inner, at + step)
  return Object.keys(resolved).flatMap((keyword) => {
    if (SILENT.has(keyword)) return []
    const check = CHECKS[keyword]
    if (!check) throw new Error(`the schema keyword ${keyword} is not known to the tests`)
    return check(value, resolved, visit).map((found) => (/^\/\S*: /.test(found) ? found : `${at || '/'}: ${found}`))
  })
}
