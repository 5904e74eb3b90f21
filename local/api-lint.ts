import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

type Run = { stdout: string; stderr: string }
type Finding = { rule: string; where: string; text: string }
type SpectralResult = { code: string; message: string; path: (string | number)[]; severity: number }
type RedoclyProblem = { ruleId: string; message: string; location?: { pointer?: string }[] }

const ROOT = join(import.meta.dirname, '..')
const BIN = join(ROOT, 'node_modules/.bin')
const OFFLINE = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
const SPECTRAL_ERROR = 0

function run(tool: string, args: string[]): Promise<Run> {
  return new Promise((done) => {
    const options = { cwd: ROOT, env: { ...process.env, ...OFFLINE }, maxBuffer: MAX_OUTPUT_BYTES }
    // Both exit non-zero when they find something: what they printed is the answer.
    execFile(join(BIN, tool), args, options, (_, stdout, stderr) => done({ stdout, stderr }))
  })
}

function parse<T>(tool: string, { stdout, stderr }: Run): T {
  try {
    return JSON.parse(stdout)
  } catch (cause) {
    throw new Error(`${tool} gave no report: ${stderr || stdout}`, { cause })
  }
}

async function spectral(file: string): Promise<Finding[]> {
  const found = parse<SpectralResult[]>('spectral', await run('spectral', ['lint', '--quiet', '--format=json', file]))
  return found
    .filter((result) => result.severity === SPECTRAL_ERROR)
    .map((result) => ({ rule: result.code, where: result.path.join('.'), text: result.message }))
}

async function redocly(file: string): Promise<Finding[]> {
  const args = ['lint', '--format=json', '--max-problems=1000', '--config=local/redocly.yaml', file]
  const report = parse<{ problems: RedoclyProblem[] }>('redocly', await run('redocly', args))
  return report.problems.map((problem) => ({
    rule: problem.ruleId,
    where: problem.location?.[0]?.pointer ?? '',
    text: problem.message.split('\n', 1)[0] ?? '',
  }))
}

/** Lints an OpenAPI document with both rule sets; needs no network. */
export async function lintApi(file: string): Promise<{ spectral: Finding[]; redocly: Finding[] }> {
  const document: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (typeof document !== 'object' || document === null || !('openapi' in document)) {
    throw new Error(`${file} is not an OpenAPI document`)
  }
  const [fromSpectral, fromRedocly] = await Promise.all([spectral(file), redocly(file)])
  return { spectral: fromSpectral, redocly: fromRedocly }
}

if (import.meta.main) {
  const file = process.argv[2]
  if (!file) throw new Error('usage: api-lint <openapi.json>')
  const found = await lintApi(resolve(file))
  for (const [tool, findings] of Object.entries(found)) {
    for (const { rule, where, text } of findings) console.log(`${tool}  ${rule}  ${where}  ${text}`)
  }
  console.log(`spectral: ${found.spectral.length} errors, redocly: ${found.redocly.length} problems`)
  process.exitCode = found.spectral.length + found.redocly.length > 0 ? 1 : 0
}
