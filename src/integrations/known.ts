import type { RemoteTool } from './remote.ts'
import { MAX_TOOLS } from './schema.ts'
import type { KnownTool } from './tables.ts'

const MAX_DESCRIPTION = 500
const MAX_SCHEMA_CHARS = 8000
const MAX_DEPTH = 12
const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])

type Json = Record<string, unknown>
const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What of a server's tools is kept: those that a model can be told of. One that a provider would refuse fails the whole turn. */
export function knownTools(tools: RemoteTool[]): KnownTool[] {
  const names = new Set<string>()
  return tools
    .flatMap(({ name, description = '', inputSchema, annotations }): KnownTool[] => {
      const schema = forModel(inputSchema)
      if (!/^[\w./-]{1,40}$/.test(name) || names.has(aliasOf(name)) || !schema) return []
      names.add(aliasOf(name))
      const said = description.replace(/\0/g, '').slice(0, MAX_DESCRIPTION).toWellFormed()
      return [{ name, description: said, readOnly: annotations?.readOnlyHint === true, inputSchema: schema }]
    })
    .slice(0, MAX_TOOLS)
}

/** A tool's name as providers take one. */
export const aliasOf = (name: string) => name.replace(/[./]/g, '_')

// A choice at the top is what providers refuse: without it the server still checks what it is sent.
function forModel({ $schema: _, oneOf: _1, anyOf: _2, allOf: _3, ...schema }: Json): Json | undefined {
  const whole = { ...schema, type: 'object' }
  const text = JSON.stringify(whole)
  const properties = isRecord(schema['properties']) ? Object.keys(schema['properties']) : []
  const fits =
    text.length <= MAX_SCHEMA_CHARS &&
    !/\\u(?:0000|d[89a-f])/.test(text) &&
    properties.every((name) => /^[\w.-]{1,64}$/.test(name)) &&
    isSchema(whole, 0)
  return fits ? whole : undefined
}

function isSchema(schema: unknown, depth: number): boolean {
  if (typeof schema === 'boolean') return true
  if (!isRecord(schema) || depth > MAX_DEPTH) return false
  const { type, $ref: ref, properties, required, items, enum: values } = schema
  if (type !== undefined && ![type].flat().every((one) => typeof one === 'string' && TYPES.has(one))) return false
  if (ref !== undefined && !(typeof ref === 'string' && ref.startsWith('#'))) return false
  if (values !== undefined && !Array.isArray(values)) return false
  if (required !== undefined && !(Array.isArray(required) && required.every((one) => typeof one === 'string')))
    return false
  if (properties !== undefined && !isRecord(properties)) return false
  const inner = [
    ...Object.values(properties ?? {}),
    ...(items === undefined ? [] : [items]),
    ...['anyOf', 'oneOf', 'allOf'].flatMap((key) => {
      const choices = schema[key]
      return choices === undefined ? [] : Array.isArray(choices) ? choices : [null]
    }),
    ...['$defs', 'definitions'].flatMap((key) => (isRecord(schema[key]) ? Object.values(schema[key]) : [])),
  ]
  return inner.every((one) => isSchema(one, depth + 1))
}

/** What of an input is surely wrong, before it is sent: a value that lacks, or is of another type. Undefined where nothing is. */
export function inputProblem({ required, properties }: Json, input: Json): string | undefined {
  const needed = Array.isArray(required) ? required : []
  const lacks = needed.find((name) => !Object.hasOwn(input, String(name)))
  if (lacks !== undefined) return `${lacks}: is required`
  for (const [name, value] of Object.entries(input)) {
    const schema = isRecord(properties) ? properties[name] : undefined
    const types = isRecord(schema) && schema['type'] !== undefined ? [schema['type']].flat() : []
    if (
      types.length > 0 &&
      !types.includes(typeOf(value)) &&
      !(types.includes('number') && typeOf(value) === 'integer')
    )
      return `${name}: must be ${types.join(' or ')}`
  }
  return undefined
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}
