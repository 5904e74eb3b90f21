import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { POLICY } from '#auth'
import { COMPAT_ROUTES } from '#compat/routes'
import { OAUTH_ROUTES } from '#oauth/routes'
import { openApiDocument } from '../workers/document.ts'
import { openAll } from '../workers/domains.ts'

const PAGE = 'docs/api.md'
const COLUMNS = '| route | what it does | scopes of a key |\n| --- | --- | --- |'

type Operation = { summary?: string; tags?: string[]; security?: { apiKey?: string[] }[] }

const scopesIn = (rule: unknown) => (Array.isArray(rule) ? rule.map((scope) => `\`${scope}\``).join(' ') : '')

/** The routes as a page to read, by tag. */
function toPage(paths: object): string {
  const byTag = new Map<string, string[]>()
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries<Operation>(item)) {
      const tag = operation.tags?.[0] ?? 'Other'
      const open = operation.security?.length === 0 ? ' · open' : ''
      const scopes = scopesIn(operation.security?.flatMap(({ apiKey = [] }) => apiKey))
      const row = `| \`${method.toUpperCase()} ${path}\` | ${operation.summary ?? ''}${open} | ${scopes} |`
      byTag.set(tag, [...(byTag.get(tag) ?? []), row])
    }
  }
  const sections = [...byTag].map(([tag, rows]) => `## ${tag}\n\n${COLUMNS}\n${rows.join('\n')}`)
  const compat = COMPAT_ROUTES.map(
    ({ method, path, summary }) => `| \`${method} ${path}\` | ${summary} | ${scopesIn(POLICY[`${method} ${path}`])} |`,
  ).join('\n')
  sections.push(
    `## For clients of other protocols\n\nThey speak OpenAI's and Anthropic's protocols, whose own references describe them; not in the document.\n\n${COLUMNS}\n${compat}`,
  )
  const oauth = OAUTH_ROUTES.map(({ method, path, summary }) => `| \`${method} ${path}\` | ${summary} |`).join('\n')
  sections.push(
    `## For apps that ask people for access\n\nOAuth 2.1, described by its own metadata; not in the document.\n\n| route | what it does |\n| --- | --- |\n${oauth}`,
  )
  const head =
    '# The API\n\nMade by `npm run api` from the schemas that validate; the whole document is `/openapi.json`, its reference `/docs`.\nA session may call everything of its person; an API key what its scopes open, and nothing where none is named.'
  return `${[head, ...sections].join('\n\n')}\n`
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { check: { type: 'boolean', default: false } },
})
const [file = 'dist/openapi.json'] = positionals
const document = openApiDocument(await openAll(), 'https://api.aurelius.dev')
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, JSON.stringify(document, null, 2))
const page = toPage(document.paths ?? {})
if (!values.check) writeFileSync(PAGE, page)
else if (readFileSync(PAGE, 'utf8') !== page) {
  console.error(`${PAGE} does not say what the code does: npm run api`)
  process.exitCode = 1
}
