/** A binding as wrangler names it: its kind, then what it points at. */
export type Bindings = Record<string, { type: string; class_name?: string; value?: unknown; [field: string]: unknown }>
export type ClassMigration = {
  tag: string
  new_sqlite_classes?: string[]
  new_classes?: string[]
  renamed_classes?: { from: string; to: string }[]
  deleted_classes?: string[]
}
export type QueueConsumer = { queue: string; dead_letter_queue?: string }
export type JournalEntry = { tag: string; when: number }

export const MAX_BUNDLE_GZIP_BYTES = 1_000_000
const VARIABLE = 'plain_text'
// Shaped so that only what the vars say can fail; the values themselves are never known here.
const LIKE_A_SECRET: Record<string, string> = {
  DATABASE_URL: 'postgres://user:password@host.invalid/database',
  JWT_KEYS: JSON.stringify([{ kty: 'OKP', crv: 'Ed25519', kid: 'preflight', x: 'x', d: 'd' }]),
  ENCRYPTION_KEYS: JSON.stringify([{ id: 'preflight', key: `${'A'.repeat(43)}=` }]),
}

/** The names the generated `Env` promises without a question mark: there in every environment. */
export function neededBindings(declarations: string): string[] {
  const body = /interface __BaseEnv_Env \{\n([^}]*)\n\}/.exec(declarations)?.[1]
  if (body === undefined) throw new Error('worker-configuration.d.ts has no Env: run wrangler types')
  return [...body.matchAll(/^\s*(\w+): /gm)].flatMap((match) => match[1] ?? [])
}

/** What the code or the local world uses and production lacks, or has as another kind of thing. */
export function bindingProblems(local: Bindings, production: Bindings, needed: string[], secrets: string[]): string[] {
  const names = new Set([...Object.keys(local), ...needed])
  return [...names].flatMap((name) => {
    const there = production[name]
    const here = local[name]
    if (!there) return secrets.includes(name) ? [] : [`${name} is used by the code but not declared for production`]
    const differs = here && here.type !== there.type
    return differs ? [`${name} is a ${here.type} locally but a ${there.type} in production`] : []
  })
}

/** The settings as the code itself would read them, with a stand-in for each declared secret. */
export function settingProblems(bindings: Bindings, secrets: string[], read: (env: object) => unknown): string[] {
  const vars = variables(bindings)
  const standIns = Object.fromEntries(secrets.map((name) => [name, LIKE_A_SECRET[name] ?? 'x'.repeat(64)]))
  const problems = secrets.filter((name) => name in vars).map((name) => `${name} is a secret: it must not be a var`)
  if (vars.ENVIRONMENT !== 'production') problems.push('ENVIRONMENT must be "production"')
  try {
    read({ ...standIns, ...vars })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const lines = error.message.split('\n').filter((line) => line.startsWith('- '))
    problems.push(...(lines.length > 0 ? lines.map((line) => line.slice(2)) : [error.message]))
  }
  return problems
}

/** A placeholder is fine for a rehearsal, never for the real thing. */
export function placeholderProblems(bindings: Bindings): string[] {
  return Object.entries(variables(bindings)).flatMap(([name, value]) =>
    /\bexample\.(?:com|net|org)\b|\.invalid\b|localhost|127\.0\.0\.1/.test(String(value))
      ? [`${name} is still a placeholder: ${value}`]
      : [],
  )
}

/** Every Durable Object class must be created, stored in SQLite, exactly once. */
export function classProblems(bindings: Bindings, migrations: ClassMigration[]): string[] {
  const alive = new Set<string>()
  const problems: string[] = []
  for (const {
    tag,
    new_sqlite_classes = [],
    new_classes = [],
    renamed_classes = [],
    deleted_classes = [],
  } of migrations) {
    if (new_classes.length > 0) problems.push(`migration ${tag}: new_classes has no SQLite storage`)
    for (const name of new_sqlite_classes) {
      if (alive.has(name)) problems.push(`migration ${tag}: class ${name} exists already`)
      alive.add(name)
    }
    for (const { from, to } of renamed_classes) {
      if (!alive.delete(from)) problems.push(`migration ${tag}: no class ${from} to rename`)
      alive.add(to)
    }
    for (const name of deleted_classes) {
      if (!alive.delete(name)) problems.push(`migration ${tag}: no class ${name} to delete`)
    }
  }
  const used = Object.values(bindings).flatMap(({ type, class_name }) =>
    type === 'durable_object_namespace' && class_name ? [class_name] : [],
  )
  return [...problems, ...used.filter((name) => !alive.has(name)).map((name) => `no migration creates class ${name}`)]
}

/** Class migrations that went out once are history: they may be added to, never edited. */
export function tagProblems(released: ClassMigration[], now: ClassMigration[], release: string): string[] {
  return released.flatMap((was, index) => {
    const is = now[index]
    return JSON.stringify(is) === JSON.stringify(was)
      ? []
      : [`migration ${was.tag} of ${release} was changed or removed`]
  })
}

/** A failed message is lost unless it goes to a dead-letter queue that somebody reads. */
export function queueProblems(bindings: Bindings, consumers: QueueConsumer[]): string[] {
  const read = new Set(consumers.map((consumer) => consumer.queue))
  const dead = new Set(consumers.flatMap((consumer) => consumer.dead_letter_queue ?? []))
  const written = Object.values(bindings).flatMap(({ type, queue_name }) =>
    type === 'queue' ? [String(queue_name)] : [],
  )
  return [
    ...consumers
      .filter(({ queue, dead_letter_queue }) => !dead_letter_queue && !dead.has(queue))
      .map(({ queue }) => `queue ${queue} has no dead_letter_queue`),
    ...[...dead, ...written].filter((queue) => !read.has(queue)).map((queue) => `nothing consumes queue ${queue}`),
  ]
}

export function secretProblems(required: string[], present: string[]): string[] {
  return required
    .filter((name) => !present.includes(name))
    .map((name) => `secret ${name} is not set: wrangler secret put ${name} --env production`)
}

export function sizeProblems(gzipBytes: number): string[] {
  return gzipBytes < MAX_BUNDLE_GZIP_BYTES
    ? []
    : [`the bundle is ${gzipBytes} bytes gzipped; the limit is ${MAX_BUNDLE_GZIP_BYTES}`]
}

/** One letter beyond ASCII and V8 keeps the whole file at two bytes a letter: every isolate starts later. */
export function asciiProblems(file: string, code: string): string[] {
  const found = /.{0,40}[^\0-\x7f].{0,20}/.exec(code)?.[0]
  return found === undefined ? [] : [`${file} is not all ASCII: ${found}`]
}

/** Files and journal must tell the same story, in the same order. */
export function journalProblems(entries: JournalEntry[], files: string[]): string[] {
  const names = entries.map((entry) => `${entry.tag}.sql`)
  const unordered = entries.filter((entry, index) => entry.when <= (entries[index - 1]?.when ?? 0))
  return [
    ...names.filter((name) => !files.includes(name)).map((name) => `migrations/${name} is in the journal but missing`),
    ...files.filter((file) => !names.includes(file)).map((file) => `migrations/${file} is not in the journal`),
    ...unordered.map((entry) => `migration ${entry.tag} is not newer than the one before it`),
  ]
}

/** The migrations a database has not seen; it remembers each by its time. */
export function pending(entries: JournalEntry[], applied: number[]): string[] {
  return entries.filter((entry) => !applied.includes(entry.when)).map((entry) => entry.tag)
}

/** Of those, what can be applied: the rest wait for an extension that the database does not offer. */
export function applicable(migrations: { tag: string; text: string }[], extensions: string[]): string[] {
  return migrations
    .filter(({ text }) => {
      const requires = /^-- requires: ([\w-]+)\s*$/m.exec(text)?.[1]
      return requires === undefined || extensions.includes(requires)
    })
    .map(({ tag }) => tag)
}

/** One line per binding; against an earlier release, only what differs from it. */
export function changes(before: Bindings | null, after: Bindings): string[] {
  const show = ({ type, ...rest }: Bindings[string]) =>
    `${type} ${JSON.stringify(type === VARIABLE ? rest.value : rest)}`
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])].sort()
  return names.flatMap((name) => {
    const was = before?.[name]
    const is = after[name]
    if (!is) return was ? [`- ${name}: ${show(was)}`] : []
    if (!before) return [`  ${name}: ${show(is)}`]
    if (!was) return [`+ ${name}: ${show(is)}`]
    return show(was) === show(is) ? [] : [`~ ${name}: ${show(was)} → ${show(is)}`]
  })
}

function variables(bindings: Bindings): Record<string, unknown> {
  const found = Object.entries(bindings).filter(([, binding]) => binding.type === VARIABLE || binding.type === 'json')
  return Object.fromEntries(found.map(([name, binding]) => [name, binding.value]))
}
