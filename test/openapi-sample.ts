import fc from 'fast-check'
import { type JsonSchema, type OpenApi, type Operation, resolveSchema } from './openapi-document.ts'
import { isObject, violations } from './openapi-schema.ts'

const EXAMPLES: Record<string, string> = {
  'date-time': '2030-05-01T09:00:00.000Z',
  date: '2030-05-01',
  email: 'someone@example.com',
  uri: 'https://example.com/',
}

/** How a sample is made: `whole` with every optional property, `pick` overrides what a schema is given. */
export type SampleOptions = {
  whole?: boolean
  pick?: (schema: JsonSchema, at: string) => { value: unknown } | undefined
}

/** A small value that is valid by the schema: examples and defaults first, then the least that will do. */
export function sample(document: OpenApi, schema: JsonSchema, options: SampleOptions = {}, at = ''): unknown {
  const resolved = resolveSchema(document, schema)
  const picked = options.pick?.(resolved, at)
  if (picked) return picked.value
  if (resolved.const !== undefined) return resolved.const
  if (resolved.example !== undefined) return resolved.example
  if (resolved.enum) return resolved.enum.find((value) => value !== null)
  if (resolved.allOf) return merged(resolved.allOf.map((part) => sample(document, part, options, at)))
  const [choice] = resolved.oneOf ?? resolved.anyOf ?? []
  if (choice) return sample(document, choice, options, at)
  const type = [resolved.type ?? 'object'].flat().find((name) => name !== 'null')
  switch (type) {
    case 'object':
      return object(document, resolved, options, at)
    case 'array':
      return Array.from({ length: Math.max(resolved.minItems ?? 0, options.whole ? 1 : 0) }, (_, index) =>
        sample(document, resolved.items ?? {}, options, `${at}/${index}`),
      )
    case 'string':
      return resolved.default ?? EXAMPLES[resolved.format ?? ''] ?? text(resolved).padEnd(resolved.minLength ?? 0, 'x')
    case 'integer':
    case 'number':
      return resolved.default ?? Math.max(resolved.minimum ?? 1, Math.min(1, resolved.maximum ?? 1))
    case 'boolean':
      return resolved.default ?? true
    default:
      throw new Error(`no sample of type ${type} at ${at}`)
  }
}

function text({ pattern, maxLength }: JsonSchema): string {
  if (pattern === undefined) return 'abc'.slice(0, maxLength)
  return fc.sample(fc.stringMatching(new RegExp(pattern)), { seed: 1, numRuns: 1 })[0] ?? ''
}

function merged(parts: unknown[]): unknown {
  return Object.assign({}, ...parts.filter(isObject))
}

function object(document: OpenApi, schema: JsonSchema, options: SampleOptions, at: string): Record<string, unknown> {
  const { properties = {}, required = [] } = schema
  const names = options.whole ? Object.keys(properties) : required
  const made = names.map((name) => [name, sample(document, properties[name] ?? {}, options, `${at}/${name}`)] as const)
  return Object.fromEntries(made)
}

/** A body this operation takes, or none; a schema for which none can be made is a mistake here. */
export function sampleBody(document: OpenApi, operation: Operation, options: SampleOptions = {}): unknown {
  if (!operation.body) return undefined
  const made = sample(document, operation.body, options)
  const problems = options.pick ? [] : violations(document, operation.body, made)
  if (problems.length > 0) throw new Error(`the sample for ${operation.id} is not valid: ${problems.join('; ')}`)
  return made
}
