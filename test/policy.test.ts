import { expect, test } from 'vitest'
import { isHighSecurity, POLICY, scopesAsked } from '#auth'
import { COMPAT_ROUTES } from '#compat/routes'
import { OAUTH_ROUTES } from '#oauth/routes'
import { openApiDocument } from '../workers/document.ts'
import { openAll } from '../workers/domains.ts'
import { type OpenApi, readOperations } from './openapi-document.ts'

const document: OpenApi = JSON.parse(JSON.stringify(openApiDocument(await openAll(), 'https://api.aurelius.dev')))
const operations = readOperations(document)
const others = ['POST /mcp', ...[...COMPAT_ROUTES, ...OAUTH_ROUTES].map(({ method, path }) => `${method} ${path}`)]

test('the policy has a row for each route, and no row for what is none', () => {
  expect([...operations.map(({ id }) => id), ...others].sort()).toEqual(Object.keys(POLICY).sort())
})

test('each row asks for who the route asks for, and the document tells a key what it needs', () => {
  const wrong = operations.flatMap(({ id, auth, method, path }) => {
    const rule = POLICY[id]
    const expected = rule === 'public' ? 'none' : typeof rule === 'object' && 'roles' in rule ? 'operator' : 'person'
    const told = document.paths[path]?.[method.toLowerCase()]?.security?.flatMap((one) => one.apiKey ?? [])
    const isTold = told?.join() === (scopesAsked(rule) ?? []).join()
    return auth === expected && isTold ? [] : [`${id}: ${auth}, ${String(rule)}, ${told}`]
  })
  expect(wrong).toEqual([])
  expect(operations.length).toBeGreaterThan(50)
})

test('the document says which operations are signed where their person demands it', () => {
  const told = operations.filter(({ path, method }) => {
    const description: unknown = Object(document.paths[path]?.[method.toLowerCase()]).description
    return String(description).includes('`signature_required`')
  })
  expect(told.map(({ id }) => id)).toEqual(operations.map(({ id }) => id).filter(isHighSecurity))
  expect(told.length).toBeGreaterThan(7)
})
