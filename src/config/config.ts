import { z } from 'zod'
import { MAIL_SETTINGS, type MailConfig, mailProblems, readMail, readRegistration } from './mail.ts'
import { PASSKEY_SETTINGS, type PasskeyConfig, passkeyProblems, readPasskeys } from './passkeys.ts'
import { PUSH_SETTINGS, type PushConfig, pushProblems, readPush } from './push.ts'
import { readSignIn, SIGN_IN_SETTINGS, type SignInConfig, signInProblems } from './sign-in.ts'
import { readTranscription, SPEECH_SETTINGS, speechProblems, type TranscriptionConfig } from './speech.ts'

const Json = z.string().transform((value, issue): unknown => {
  try {
    return JSON.parse(value)
  } catch {
    issue.addIssue('must be JSON')
    return z.NEVER
  }
})

const Keys = Json.pipe(
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

const isKey = (key: string) => /^[A-Za-z0-9+/]{43}=$/.test(key)
const EncryptionKeys = Json.pipe(
  z
    .array(
      z.strictObject({
        id: z.string().regex(/^[\w-]{1,32}$/, 'must be a short name'),
        key: z.string().refine(isKey, 'must be 32 bytes in base64'),
      }),
    )
    .min(1)
    .max(8),
).refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, 'has two keys of one id')

const origins = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )

const MODEL = /^([\w.:/@-]{1,100})=(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)(?:@(\d+)(?:\/(\d+))?)?(?:#([123]))?$/

/** `name=IN/OUT@CONTEXT/OUTPUT#TIER`: dollars for a million tokens, tokens, 1 to 3. A model needs a price; 0/0 is one. */
const Models = z.string().transform((value, issue) =>
  value.split(',').map((part): DeclaredModel => {
    const [, name, input, output, context = '32768', most = '4096', tier = '2'] = MODEL.exec(part.trim()) ?? []
    if (name === undefined) issue.addIssue(`"${part.trim()}" is not name=IN/OUT: dollars for a million tokens`)
    return {
      name: name ?? '',
      inputDollars: Number(input),
      outputDollars: Number(output),
      contextTokens: Number(context),
      maxOutputTokens: Number(most),
      tier: tier === '1' ? 1 : tier === '3' ? 3 : 2,
    }
  }),
)

/** A `share` of a kind of work goes to `model`; the others are what it is compared with. */
const Experiments = Json.pipe(
  z
    .array(
      z.strictObject({
        id: z.string().regex(/^[\w-]{1,40}$/),
        kind: z.string(),
        model: z.string(),
        share: z.number().min(0).max(1),
      }),
    )
    .max(20),
)

const PROVIDERS = ['anthropic', 'openai-compatible', 'workers-ai', 'offline'] as const
const Providers = z.string().transform((value, issue) =>
  value.split(',').flatMap((part) => {
    const known = PROVIDERS.find((name) => name === part.trim())
    if (!known) issue.addIssue(`"${part.trim()}" is not one of ${PROVIDERS.join(', ')}`)
    return known ?? []
  }),
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
  ENCRYPTION_KEYS: EncryptionKeys,
  OPERATOR_TOKEN: z.string().min(32, 'must have at least 32 characters').optional(),
  ERASURE_GRACE_DAYS: z.coerce.number().int().min(0).max(90).default(14),
  ALLOW_LOOPBACK_URLS: z.enum(['true', 'false']).default('false'),
  RATE_LIMIT_FACTOR: z.coerce.number().int().min(1).max(100_000).default(1),
  LOG_LEVEL: z.enum(['info', 'warn', 'error']).default('info'),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  ANTHROPIC_BASE_URL: z.url().optional(),
  ANTHROPIC_MODEL: z.string().min(1).optional(),
  OPENAI_BASE_URL: z.url().optional(),
  OPENAI_API_KEY: z.string().min(1).optional(),
  OPENAI_MODELS: Models.optional(),
  WORKERS_AI_MODELS: Models.optional(),
  AI_PROVIDERS: Providers.optional(),
  AI_EXPERIMENTS: Experiments.optional(),
  AI_PLAN: z.enum(['free', 'pro', 'max', 'teams']).default('free'),
  EMBEDDINGS_PROVIDER: z.enum(['openai-compatible', 'workers-ai']).optional(),
  EMBEDDINGS_BASE_URL: z.url().optional(),
  EMBEDDINGS_API_KEY: z.string().min(1).optional(),
  EMBEDDINGS_MODEL: Models.optional(),
  EMBEDDINGS_DIMENSIONS: z.coerce.number().int().min(1).max(1536).default(512),
  VECTORS: z.enum(['pgvector', 'vectorize']).default('pgvector'),
  ...SPEECH_SETTINGS,
  ...MAIL_SETTINGS,
  ...PASSKEY_SETTINGS,
  ...PUSH_SETTINGS,
  ...SIGN_IN_SETTINGS,
})

/** The names of every setting that can be given. */
export const SETTING_NAMES = Object.keys(Source.shape)

export type DeclaredModel = {
  name: string
  inputDollars: number
  outputDollars: number
  contextTokens: number
  maxOutputTokens: number
  tier: 1 | 2 | 3
}

/** Which models are there, in the order they are asked; without a `model` of Claude's the gateway chooses one. */
export type AiConfig = {
  providers: (typeof PROVIDERS)[number][]
  anthropic: { apiKey: string; baseUrl: string | undefined; model: string | undefined } | null
  openai: { baseUrl: string; apiKey: string | undefined; models: DeclaredModel[] } | null
  workersAi: { models: DeclaredModel[] } | null
  experiments: z.infer<typeof Experiments>
  /** Of whoever has none of their own. */
  plan: 'free' | 'pro' | 'max' | 'teams'
  embeddings: {
    provider: 'openai-compatible' | 'workers-ai'
    baseUrl: string | undefined
    apiKey: string | undefined
    model: DeclaredModel
    dimensions: number
  } | null
  transcription: TranscriptionConfig | null
  vectors: 'pgvector' | 'vectorize'
}

/** The settings of one deployment, as read from its vars and secrets. */
export type Config = {
  environment: 'production' | 'local' | 'test'
  publicUrl: string
  allowedOrigins: string[]
  database: { url: string; fetchEndpoint: string | undefined }
  auth: { jwtKeys: z.infer<typeof Keys>; refreshKey: string; passwordPepper: string; operatorToken: string | undefined }
  /** The first seals, all open. */
  encryptionKeys: z.infer<typeof EncryptionKeys>
  /** What of a person's URLs may be called. */
  outbound: { loopback: boolean }
  /** Between asking to be erased and being erased. */
  erasureGraceDays: number
  rateLimitFactor: number
  logLevel: 'info' | 'warn' | 'error'
  ai: AiConfig
  mail: MailConfig | null
  push: PushConfig
  passkeys: PasskeyConfig
  registration: 'direct' | 'mailed'
  signIn: SignInConfig
}

/** Reads and checks all settings at once; one error lists every problem, and never a value. */
export function readConfig(env: object): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = Source.safeParse(present)
  const problems = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  if (parsed.data) problems.push(...aiProblems(parsed.data))
  if (parsed.data) problems.push(...mailProblems(parsed.data, parsed.data.ENVIRONMENT === 'production'))
  if (parsed.data) problems.push(...pushProblems(parsed.data, parsed.data.ENVIRONMENT === 'production'))
  if (parsed.data) problems.push(...passkeyProblems(passkeysOf(parsed.data)))
  if (parsed.data) problems.push(...signInProblems(parsed.data, parsed.data.ENVIRONMENT === 'production'))
  if (parsed.data?.ENVIRONMENT === 'production' && parsed.data.RATE_LIMIT_FACTOR !== 1) {
    problems.push('RATE_LIMIT_FACTOR: must be 1 in production')
  }
  if (parsed.data?.ENVIRONMENT === 'production' && parsed.data.ALLOW_LOOPBACK_URLS === 'true') {
    problems.push('ALLOW_LOOPBACK_URLS: must not be set in production')
  }
  if (parsed.data?.ENVIRONMENT === 'production' && parsed.data.ERASURE_GRACE_DAYS === 0) {
    problems.push('ERASURE_GRACE_DAYS: must be 1 or more in production')
  }
  if (!parsed.success || problems.length > 0)
    throw new Error(`The configuration has problems:\n- ${problems.join('\n- ')}`)
  const source = parsed.data
  return {
    environment: source.ENVIRONMENT,
    publicUrl: source.PUBLIC_URL.replace(/\/$/, ''),
    allowedOrigins: allowedOrigins(source),
    database: { url: source.DATABASE_URL, fetchEndpoint: source.DATABASE_FETCH_ENDPOINT },
    auth: {
      jwtKeys: source.JWT_KEYS,
      refreshKey: source.REFRESH_KEY,
      passwordPepper: source.PASSWORD_PEPPER,
      operatorToken: source.OPERATOR_TOKEN,
    },
    encryptionKeys: source.ENCRYPTION_KEYS,
    outbound: { loopback: source.ALLOW_LOOPBACK_URLS === 'true' },
    erasureGraceDays: source.ERASURE_GRACE_DAYS,
    rateLimitFactor: source.RATE_LIMIT_FACTOR,
    logLevel: source.LOG_LEVEL,
    ai: readAi(source),
    mail: readMail(source),
    push: readPush(source, source.PUBLIC_URL),
    passkeys: passkeysOf(source),
    registration: readRegistration(source, source.ENVIRONMENT === 'production'),
    signIn: readSignIn(source),
  }
}

const allowedOrigins = (source: z.infer<typeof Source>) => [
  new URL(source.PUBLIC_URL).origin,
  ...source.ALLOWED_ORIGINS,
]
const passkeysOf = (source: z.infer<typeof Source>) => readPasskeys(source, allowedOrigins(source))

function readAi(source: z.infer<typeof Source>): AiConfig {
  const { ANTHROPIC_API_KEY, OPENAI_BASE_URL, OPENAI_MODELS, WORKERS_AI_MODELS, EMBEDDINGS_PROVIDER } = source
  const [embedder] = source.EMBEDDINGS_MODEL ?? []
  const has = { anthropic: ANTHROPIC_API_KEY, 'openai-compatible': OPENAI_BASE_URL, 'workers-ai': WORKERS_AI_MODELS }
  const found = PROVIDERS.filter((name) => name !== 'offline' && has[name] !== undefined)
  return {
    providers: source.AI_PROVIDERS ?? (found.length > 0 ? found : ['offline']),
    anthropic: ANTHROPIC_API_KEY
      ? { apiKey: ANTHROPIC_API_KEY, baseUrl: source.ANTHROPIC_BASE_URL, model: source.ANTHROPIC_MODEL }
      : null,
    openai: OPENAI_BASE_URL
      ? { baseUrl: OPENAI_BASE_URL, apiKey: source.OPENAI_API_KEY, models: OPENAI_MODELS ?? [] }
      : null,
    workersAi: WORKERS_AI_MODELS ? { models: WORKERS_AI_MODELS } : null,
    experiments: source.AI_EXPERIMENTS ?? [],
    plan: source.AI_PLAN,
    embeddings:
      EMBEDDINGS_PROVIDER && embedder
        ? {
            provider: EMBEDDINGS_PROVIDER,
            baseUrl: source.EMBEDDINGS_BASE_URL,
            apiKey: source.EMBEDDINGS_API_KEY,
            model: embedder,
            dimensions: source.EMBEDDINGS_DIMENSIONS,
          }
        : null,
    transcription: readTranscription(source),
    vectors: source.VECTORS,
  }
}

/** What is named without what it needs. */
function aiProblems(source: z.infer<typeof Source>): string[] {
  const { AI_PROVIDERS = [], OPENAI_BASE_URL, OPENAI_MODELS, EMBEDDINGS_PROVIDER } = source
  const needs: Record<string, string | object | undefined> = {
    anthropic: source.ANTHROPIC_API_KEY,
    'openai-compatible': OPENAI_BASE_URL,
    'workers-ai': source.WORKERS_AI_MODELS,
    offline: 'nothing',
  }
  const problems = AI_PROVIDERS.filter((name) => needs[name] === undefined).map(
    (name) => `AI_PROVIDERS: ${name} is not configured`,
  )
  if (OPENAI_BASE_URL && !OPENAI_MODELS) problems.push('OPENAI_MODELS: name the models, each with its price')
  if (EMBEDDINGS_PROVIDER && source.EMBEDDINGS_MODEL?.length !== 1)
    problems.push('EMBEDDINGS_MODEL: name one model with its price')
  if (EMBEDDINGS_PROVIDER === 'openai-compatible' && !source.EMBEDDINGS_BASE_URL)
    problems.push('EMBEDDINGS_BASE_URL: needed for openai-compatible embeddings')
  return [...problems, ...speechProblems(source)]
}
