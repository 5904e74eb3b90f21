import fc from 'fast-check'
import { wrongBodies } from './matrix-bodies.ts'
import type { Request } from './matrix-requests.ts'
import { type OpenApi, type Operation, type Parameter, resolveSchema } from './openapi-document.ts'
import { sample } from './openapi-sample.ts'
import { violations } from './openapi-schema.ts'

/** A request no operation may do anything for, and what is wrong with it. */
export type Malformed = { what: string; request: Request }

const JSON_TYPE = { 'content-type': 'application/json' }
const encode = (text: string) => new TextEncoder().encode(text)
const surrounded = (text: string, bytes: number[]) => Uint8Array.from([...encode(text), ...bytes, ...encode('"}')])

/** Bodies that are no JSON object in UTF-8, whatever the schema. */
const RAW: [string, string | Uint8Array][] = [
  ['an empty body', ''],
  ['half an object', '{"a":'],
  ['a lone brace', '{'],
  ['a trailing comma', '{"a":1,}'],
  ['single quotes', "{'a':1}"],
  ['a comment', '{/* */}'],
  ['two objects', '{}{}'],
  ['NaN', '{"a":NaN}'],
  ['null', 'null'],
  ['true', 'true'],
  ['a number', '1e308'],
  ['a number beyond all', '1e999'],
  ['a text', '"text"'],
  ['a list', '[]'],
  ['a list of objects', '[{}]'],
  ['a form', 'title=x&name=y'],
  ['XML', '<a/>'],
  ['NUL bytes', '\0\0\0'],
  ['a broken UTF-8 sequence', surrounded('{"title":"', [0xff, 0xfe])],
  ['an overlong UTF-8 sequence', surrounded('{"title":"', [0xc0, 0xaf])],
  ['a surrogate in UTF-8', surrounded('{"title":"', [0xed, 0xa0, 0x80])],
  ['UTF-16', Uint8Array.from([0xff, 0xfe, 0x7b, 0, 0x7d, 0])],
  ['deep lists', '['.repeat(100_000)],
  ['deep closed lists', `${'['.repeat(5000)}${']'.repeat(5000)}`],
  ['deep objects', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
  ['a huge list', `{"ids":[${'1,'.repeat(200_000)}1]}`],
  ['a prototype', '{"__proto__":{"admin":true}}'],
  ['a prototype inside', '{"text":"x","title":"x","name":"x","displayName":"x","a":{"__proto__":{}}}'],
  ['a prototype in disguise', '{"_\\u005fproto__":{"admin":true}}'],
]

const TYPES = ['', 'text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'application/jsonx']
const MORE_TYPES = ['multipart/form-data; boundary=x', 'application/octet-stream', 'text/json', '*/*']
const CHARSETS = [
  'application/json; charset=utf-16',
  'application/json;charset="ISO-8859-1"',
  'application/json; charset=x',
]

const isWellFormed = (text: string) => text.isWellFormed()

// A query is text: a number in it is one when it is written in digits, and in nothing else.
function isWrong(document: OpenApi, { schema }: Parameter, text: string): boolean {
  const read: unknown[] = /^\d+$/.test(text) ? [text, Number(text)] : [text]
  return read.every((value) => violations(document, schema, value).length > 0)
}

// What a careless reader takes for a number.
const NO_INTEGERS = ['0x10', '0b1', '1e1', '1e308', ' 1', '1 ', '+1', '-1', '1.0', '1.5', '1_0', '\u0661', 'NaN']

/** Query values that are no value of the parameter. */
function badValues(document: OpenApi, parameter: Parameter): string[] {
  const texts = ['x'.repeat(5000), '', '[object Object]', '{"$gt":""}', '../..', ...NO_INTEGERS]
  return ['\0', ...texts.filter((text) => isWrong(document, parameter, text))]
}

const withQuery = (request: Request, query: string): Request => ({
  ...request,
  path: `${request.path}${request.path.includes('?') ? '&' : '?'}${query}`,
})

function queries(document: OpenApi, { parameters }: Operation, base: Request): Malformed[] {
  const known = parameters.filter((parameter) => parameter.in === 'query')
  if (known.length === 0) return []
  const wrong = known.flatMap((parameter) =>
    badValues(document, parameter).map((value) => [
      `${parameter.name} as ${value.slice(0, 20)}`,
      `${parameter.name}=${encodeURIComponent(value)}`,
    ]),
  )
  const single = known.filter(({ schema }) => resolveSchema(document, schema).type !== 'array')
  const twice = single.map(({ name, schema }) => {
    const value = encodeURIComponent(String(sample(document, schema)))
    return [`${name} twice`, `${name}=${value}&${name}=${value}`]
  })
  const others = [
    ['an unknown parameter', 'admin=true'],
    ['a prototype parameter', '__proto__=1'],
    ['a parameter in brackets', 'limit[]=1'],
    ['a cursor of nowhere', 'cursor=bm90LWEtY3Vyc29y'],
    ['a cursor of another list', `cursor=${Buffer.from('{"l":"elsewhere","k":["x"]}').toString('base64url')}`],
  ]
  return [...wrong, ...twice, ...others].map(([what = '', query = '']) => ({ what, request: withQuery(base, query) }))
}

const IDS = ['no-id', '0', '-1', 'null', '__proto__', '%00', '%ff', '%c0%af', '..%2f..%2fetc', '*', "'%20or%201=1--"]

const idIn = ({ path }: Request) => path.split('/').find((part) => /^[a-z]+_[0-9a-z]{26}$/.test(part))

function paths({ path, method }: Operation, base: Request): Malformed[] {
  if (!path.includes('{')) return []
  const id = idIn(base)
  if (id === undefined) return []
  const wrong = [
    ...IDS,
    `${id}0`,
    id.slice(0, -1),
    id.toUpperCase(),
    `x${id}`,
    `${id.startsWith('usr_') ? 'ses' : 'usr'}${id.slice(id.indexOf('_'))}`,
    'x'.repeat(5000),
  ]
  return wrong.map((bad) => ({
    what: `the id ${bad.slice(0, 40)}`,
    request: { ...base, method, path: base.path.replace(id, bad) },
  }))
}

function headers({ takesIfMatch, takesKey }: Operation, base: Request): Malformed[] {
  const versions = takesIfMatch
    ? ['abc', '1', '"abc"', '"1', 'W/"1"', '"-1"', '"1.5"', '"99999999999"', '"1" "2"', '""']
    : []
  const keys = takesKey ? ['x'.repeat(256), 'two words', 'naïve', 'x'.repeat(5000)] : []
  const named = [...versions.map((value) => ['if-match', value]), ...keys.map((value) => ['idempotency-key', value])]
  return named.map(([name = '', value = '']) => ({
    what: `${name}: ${value.slice(0, 30)}`,
    request: { ...base, options: { ...base.options, headers: { ...base.options.headers, [name]: value } } },
  }))
}

/** What is wrong whatever is asked for: each is tried once. */
export function corpus(document: OpenApi, operation: Operation, base: Request): Malformed[] {
  const raw = (what: string, content: string | Uint8Array, type: Record<string, string>): Malformed => ({
    what,
    request: { ...base, options: { raw: content, headers: { ...base.options.headers, ...type } } },
  })
  const valid = JSON.stringify(base.options.body ?? {})
  const types = [...TYPES, ...MORE_TYPES, ...CHARSETS].map((type) =>
    raw(`the type ${type}`, encode(valid), type ? { 'content-type': type } : {}),
  )
  const contents = operation.body ? [...RAW.map(([what, content]) => raw(what, content, JSON_TYPE)), ...types] : []
  return [...contents, ...queries(document, operation, base), ...paths(operation, base), ...headers(operation, base)]
}

type Malformer = (document: OpenApi, operation: Operation, base: Request) => fc.Arbitrary<Malformed> | undefined

const anyText = fc
  .oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }))
  .filter(isWellFormed)

/** Any text that is no id, in place of one. */
export const malformedPaths: Malformer = (document, { parameters }, base) => {
  const parameter = parameters.find((known) => known.in === 'path')
  const id = idIn(base)
  if (!parameter || id === undefined) return undefined
  const noId = anyText.filter(
    (text) => !/^\.{0,2}$/.test(text) && violations(document, parameter.schema, text).length > 0,
  )
  return noId.map((text) => ({
    what: `the id ${JSON.stringify(text)}`,
    request: { ...base, path: base.path.replace(id, encodeURIComponent(text)) },
  }))
}

/** Any text that is no value of a parameter of the query. */
export const malformedQueries: Malformer = (document, { parameters }, base) => {
  const known = parameters.filter((parameter) => parameter.in === 'query' && isWrong(document, parameter, '~'))
  if (known.length === 0) return undefined
  const wrong = fc
    .constantFrom(...known)
    .chain((parameter) =>
      anyText.filter((text) => isWrong(document, parameter, text)).map((text) => [parameter.name, text] as const),
    )
  return wrong.map(([name, text]) => ({
    what: `${name} as ${JSON.stringify(text)}`,
    request: withQuery(base, `${name}=${encodeURIComponent(text)}`),
  }))
}

/** What the schema of the body does not allow; undefined where no body is taken. */
export const malformedBodies: Malformer = (document, { body: schema }, base) =>
  schema &&
  wrongBodies(document, schema).map(({ what, body }) => ({
    what,
    request: { ...base, options: { ...base.options, body } },
  }))
