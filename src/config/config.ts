import { z } from 'zod'

const Keys = z
  .string()
  .transform((value, issue) => {
    try {
      return JSON.parse(value)
    } catch {
      issue.addIssue('must be JSON')
      return z.NEVER
    }
  })
  .pipe(
    z
      .array(
        z.looseObject({
          kty: z.literal('OKP'),
          crv: z.literal('Ed25519'),
          kid: z.string().min(1),
          x: z.string(),
          d: z.string(),
        }),
      )
      .min(1)
      .max(4),
  )

const origins = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )

const Source = z.object({
  ENVIRONMENT: z.enum(['production', 'local', 'test']),
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgres:// URL'),
  DATABASE_FETCH_ENDPOINT: z.url().optional(),
  PUBLIC_URL: z.url().default('http://127.0.0.1:8787'),
  ALLOWED_ORIGINS: origins,
  JWT_KEYS: Keys,
  REFRESH_KEY: z.string().min(32, 'must have at least 32 characters'),
  PASSWORD_PEPPER: z.string().min(32, 'must have at least 32 characters'),
  OPERATOR_TOKEN: z.string().min(32, 'must have at least 32 characters').optional(),
  RATE_LIMIT_FACTOR: z.coerce.number().int().min(1).max(100_000).default(1),
  LOG_LEVEL: z.enum(['info', 'warn', 'error']).default('info'),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  ANTHROPIC_BASE_URL: z.url().optional(),
  ANTHROPIC_MODEL: z.string().min(1).default('claude-sonnet-5-5'),
})

/** The names of every setting that can be given. */
export const SETTING_NAMES = Object.keys(Source.shape)

/** The settings of one deployment, as read from its vars and secrets. */
export type Config = {
  environment: 'production' | 'local' | 'test'
  publicUrl: string
  allowedOrigins: string[]
  database: { url: string; fetchEndpoint: string | undefined }
  auth: { jwtKeys: z.infer<typeof Keys>; refreshKey: string; passwordPepper: string; operatorToken: string | undefined }
  rateLimitFactor: number
  logLevel: 'info' | 'warn' | 'error'
  anthropic: { apiKey: string; baseUrl: string | undefined; model: string } | null
}

/** Reads and checks all settings at once; one error lists every problem, and never a value. */
export function readConfig(env: object): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = Source.safeParse(present)
  const problems = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  if (parsed.data?.ENVIRONMENT === 'production' && parsed.data.RATE_LIMIT_FACTOR !== 1) {
    problems.push('RATE_LIMIT_FACTOR: must be 1 in production')
  }
  if (!parsed.success || problems.length > 0)
    throw new Error(`The configuration has problems:\n- ${problems.join('\n- ')}`)
  const source = parsed.data
  return {
    environment: source.ENVIRONMENT,
    publicUrl: source.PUBLIC_URL.replace(/\/$/, ''),
    allowedOrigins: [new URL(source.PUBLIC_URL).origin, ...source.ALLOWED_ORIGINS],
    database: { url: source.DATABASE_URL, fetchEndpoint: source.DATABASE_FETCH_ENDPOINT },
    auth: {
      jwtKeys: source.JWT_KEYS,
      refreshKey: source.REFRESH_KEY,
      passwordPepper: source.PASSWORD_PEPPER,
      operatorToken: source.OPERATOR_TOKEN,
    },
    rateLimitFactor: source.RATE_LIMIT_FACTOR,
    logLevel: source.LOG_LEVEL,
    anthropic: source.ANTHROPIC_API_KEY
      ? { apiKey: source.ANTHROPIC_API_KEY, baseUrl: source.ANTHROPIC_BASE_URL, model: source.ANTHROPIC_MODEL }
      : null,
  }
}
