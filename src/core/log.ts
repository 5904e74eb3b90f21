/** What a log line may carry: scalars by name. Never a body, a token, a password or a person's text. */
export type LogFields = Record<string, string | number | boolean | null | undefined>
export type Log = {
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}

const SECRET =
  /(eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|\b(?:aur|rt|tkt|sk)_[\w-]{16,}|(?:postgres(?:ql)?:\/\/[^\s:]+:)[^\s@]+|bearer\s+\S+)/gi
const SECRET_NAME = /password|secret|token|authorization|cookie|body|prompt|text$/i
const MAX_FIELD = 500

/** A second line of defence: names and shapes of secrets are struck out wherever they turn up. */
function redact(name: string, value: LogFields[string]): LogFields[string] {
  if (typeof value !== 'string') return value
  if (SECRET_NAME.test(name)) return '[redacted]'
  return value.replace(SECRET, '[redacted]').slice(0, MAX_FIELD)
}

const LEVELS = ['info', 'warn', 'error'] as const
type Level = (typeof LEVELS)[number]

/** One JSON object a line, as the platform's log search expects. */
export function createLog(base: LogFields, least: Level = 'info', write: (line: string) => void = console.log): Log {
  const at =
    (level: Level) =>
    (event: string, fields: LogFields = {}) => {
      if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return
      const line: LogFields = { level, event }
      for (const [name, value] of Object.entries({ ...base, ...fields })) line[name] = redact(name, value)
      write(JSON.stringify(line))
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/
// Class 42 is a mistake in the statement itself, which is ours: it quotes no value.
const OF_STATEMENT = /^42/
const SQL_FIELDS = ['constraint', 'table', 'column', 'routine'] as const

const codeOf = (error: Error) => ('code' in error && typeof error.code === 'string' ? error.code : undefined)

/** Whether a message may quote what a person wrote: a statement with its parameters, a refused value, a piece of JSON. */
function mayQuote(error: Error): boolean {
  const code = codeOf(error)
  if (code !== undefined && SQLSTATE.test(code)) return !OF_STATEMENT.test(code)
  return error.name === 'DrizzleQueryError' || 'query' in error || error instanceof SyntaxError
}

/** The names and codes down the chain of causes; messages only of errors that never hold a person's data. */
export function describeError(error: unknown): LogFields {
  const chain: string[] = []
  const found: LogFields = {}
  for (let at = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    const isQuiet = mayQuote(at)
    chain.push(isQuiet ? at.name : `${at.name}: ${at.message}`)
    found['code'] ??= codeOf(at)
    // A message of several lines stands before the frames.
    const frames = at.stack?.split('\n').filter((line) => /^\s+at /.test(line))
    if (!isQuiet)
      found['stack'] ??= frames
        ?.slice(0, 5)
        .map((line) => line.trim())
        .join(' | ')
    for (const name of SQL_FIELDS) {
      const value: unknown = Reflect.get(at, name)
      if (typeof value === 'string') found[name] ??= value
    }
  }
  return { error: chain.join(' <- ') || String(error), ...found }
}
