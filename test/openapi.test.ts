import { expect, test } from 'vitest'
import { createContract } from './openapi-contract.ts'
import { fillPath, findOperation, fits, type JsonSchema, type OpenApi, readOperations } from './openapi-document.ts'
import { sample } from './openapi-sample.ts'
import { violations } from './openapi-schema.ts'

const Thing: JsonSchema = {
  type: 'object',
  properties: {
    id: { type: 'string', pattern: '^thing_[0-9a-hjkmnp-tv-z]{26}$' },
    name: { type: 'string', minLength: 2, maxLength: 4 },
    at: { type: ['string', 'null'], format: 'date-time' },
    size: { type: 'integer', minimum: 1, maximum: 3 },
    kind: { type: 'string', enum: ['a', 'b'] },
    parts: { type: 'array', items: { $ref: '#/components/schemas/Part' }, maxItems: 2 },
  },
  required: ['id', 'name', 'at', 'size'],
  additionalProperties: false,
}
const Part: JsonSchema = { oneOf: [{ type: 'string', maxLength: 1 }, { type: 'integer' }] }
const ok = {
  description: 'fine',
  headers: { ETag: { required: true }, Age: {} },
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } },
}
const document: OpenApi = {
  paths: {
    '/things/{id}': { get: { operationId: 'getThing', responses: { 200: ok, 204: { description: 'gone' } } } },
    '/things/best': { get: { operationId: 'getBest', responses: { 200: ok } } },
  },
  components: { schemas: { Thing, Part } },
}
const valid = sample(document, Thing, { whole: true })

test('a sample of a schema is valid by it, and the same each time', () => {
  expect(violations(document, Thing, valid)).toEqual([])
  expect(sample(document, Thing, { whole: true })).toEqual(valid)
})

test('each keyword refuses what it is there for', () => {
  const wrong: [object, string][] = [
    [{ id: 'thing_1' }, '/id: does not match'],
    [{ name: 'x' }, '/name: is under 2'],
    [{ name: 'xxxxx' }, '/name: is over 4'],
    [{ name: 1 }, '/name: is not of type string'],
    [{ at: 'today' }, '/at: is not a date-time'],
    [{ size: 0 }, '/size: is under 1'],
    [{ size: 4 }, '/size: is over 3'],
    [{ size: 1.5 }, '/size: is not of type integer'],
    [{ kind: 'c' }, '/kind: is none of'],
    [{ parts: [1, 2, 3] }, '/parts: has over 2 items'],
    [{ parts: ['ab'] }, '/parts/0: fits 0 of 2 alternatives'],
    [{ more: 1 }, '/: has an undeclared more'],
    [{ at: undefined }, '/at: is not of type'],
  ]
  for (const [change, expected] of wrong) {
    const found = violations(document, Thing, { ...Object(valid), ...change })
    expect(found.map((problem) => problem.slice(0, expected.length))).toEqual([expected])
  }
  expect(violations(document, Thing, {})).toContain('/: lacks id')
})

test('a keyword or a format nobody checks is an error', () => {
  expect(() => violations(document, { contentEncoding: 'base64' } as JsonSchema, 'x')).toThrow('contentEncoding')
  expect(() => violations(document, { format: 'ipv6' }, 'x')).toThrow('ipv6')
})

test('a path without parameters goes before one with', () => {
  const operations = readOperations(document)
  expect(findOperation(operations, 'GET', '/things/best')?.operationId).toBe('getBest')
  expect(findOperation(operations, 'GET', '/things/1')?.operationId).toBe('getThing')
  expect(findOperation(operations, 'PUT', '/things/1')).toBeUndefined()
  expect(fits('/things/{id}', '/things/1/2')).toBe(false)
  expect(() => fillPath('/things/{id}', {})).toThrow('id')
})

test('an answer the document does not promise is drift', () => {
  const contract = createContract(document, readOperations(document))
  const json = new Headers({ 'content-type': 'application/json; charset=utf-8', etag: '"1"' })
  const without = (name: string) => new Headers([...json].filter(([key]) => key !== name))
  const answers: [number, Headers, unknown, RegExp | undefined][] = [
    [200, json, valid, undefined],
    [204, new Headers(), '', undefined],
    [200, json, { ...Object(valid), secret: 1 }, /undeclared secret/],
    [201, json, valid, /is not declared/],
    [200, new Headers({ 'content-type': 'text/html; charset=utf-8', etag: '"1"' }), valid, /undeclared type/],
    [200, new Headers({ 'content-type': 'application/json', etag: '"1"' }), valid, /does not say .* UTF-8/],
    [200, without('etag'), valid, /^lacks ETag$/],
    [204, json, valid, /has a body/],
  ]
  for (const [status, headers, body, expected] of answers) {
    const text = body === '' ? '' : JSON.stringify(body)
    const found = contract.check('GET', '/things/1', { status, headers, text, json: body })
    if (expected) expect(found.join()).toMatch(expected)
    else expect(found).toEqual([])
  }
  expect(contract.drift.size).toBe(6)
  expect(contract.coverage()).toEqual({ declared: 3, exercised: 2, unseen: ['GET /things/best 200'] })
})
