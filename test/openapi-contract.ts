import { type Content, findOperation, type OpenApi, type Operation } from './openapi-document.ts'
import { violations } from './openapi-schema.ts'

type Seen = { status: number; headers: Headers; text: string; json: unknown }

// What a request is told before it has reached any operation.
const OUTSIDE = new Set([404, 405, 429])
const PROBLEM = /^application\/problem\+json; charset=utf-8$/i

/** Holds answers against the document, and counts which of its promises were seen. */
export function createContract(document: OpenApi, operations: Operation[]) {
  const drift = new Set<string>()
  const seen = new Map<string, number>()

  function problemsOf(operation: Operation | undefined, answer: Seen): string[] {
    const type = answer.headers.get('content-type') ?? ''
    if (!operation) return outside(answer, type)
    const declared = operation.responses[answer.status]
    if (!declared) return ['is not declared']
    const lacking = Object.entries(declared.headers ?? {})
      .filter(([name, { required }]) => required === true && !answer.headers.get(name))
      .map(([name]) => `lacks ${name}`)
    return [...lacking, ...bodyProblems(declared.content, answer, type)]
  }

  function bodyProblems(declared: Content | undefined, answer: Seen, type: string): string[] {
    if (!declared) return answer.text === '' ? [] : ['has a body that is not declared']
    const [media = ''] = type.split(';')
    const content = declared[media]
    if (!content) return [`has the undeclared type ${type || 'none'}`]
    if (!/json/.test(media)) return []
    return violations(document, content.schema, answer.json)
  }

  function outside({ status, json }: Seen, type: string): string[] {
    if (!OUTSIDE.has(status)) return ['comes from no operation']
    if (!PROBLEM.test(type)) return [`has the type ${type || 'none'}`]
    return violations(document, { $ref: '#/components/schemas/Problem' }, json)
  }

  return {
    drift,
    /** How often each `METHOD path status` was answered. */
    seen,
    check(method: string, target: string, answer: Seen): string[] {
      const { pathname: path } = new URL(target, 'http://x')
      const operation = findOperation(operations, method, path)
      const name = `${operation?.id ?? `${method} (undeclared)`} ${answer.status}`
      const found = [
        ...(answer.text !== '' && !hasCharset(answer) ? ['does not say that its text is UTF-8'] : []),
        ...(isPublicFile(method, path) ? [] : problemsOf(operation, answer)),
      ]
      for (const problem of found.slice(0, 3)) drift.add(`${name}: ${problem}`)
      if (operation) seen.set(name, (seen.get(name) ?? 0) + 1)
      return found
    },
    /** The declared statuses of all operations, how many were seen, and which were not. */
    coverage() {
      const declared = operations.flatMap(({ id, responses }) =>
        Object.keys(responses).map((status) => `${id} ${status}`),
      )
      const unseen = declared.filter((name) => !seen.has(name))
      return { declared: declared.length, exercised: declared.length - unseen.length, unseen }
    },
  }
}

const hasCharset = ({ headers }: Seen) =>
  /^application\/zip$|; ?charset=utf-8$/i.test(headers.get('content-type') ?? '')

/** The document and its reference describe everything but themselves. */
export const PUBLIC_FILES = ['/openapi.json', '/docs', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js']
const isPublicFile = (method: string, path: string) => /^(GET|HEAD)$/.test(method) && PUBLIC_FILES.includes(path)
