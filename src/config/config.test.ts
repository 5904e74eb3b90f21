import { expect, inject, test } from 'vitest'
import { readConfig } from './config.ts'

const vars = () => inject('vars')

test('a complete environment is read', () => {
  const config = readConfig(vars())
  expect(config).toMatchObject({
    environment: 'test',
    publicUrl: 'http://aurelius.test',
    ai: { anthropic: null, providers: ['offline'] },
  })
  expect(config.allowedOrigins).toContain('http://aurelius.test')
})

test('every problem is told at once, and no value', () => {
  const bad = { ...vars(), DATABASE_URL: 'mysql://hunter2', REFRESH_KEY: 'short', JWT_KEYS: '{', ENVIRONMENT: 'moon' }
  const said = (() => {
    try {
      readConfig(bad)
    } catch (error) {
      return String(error)
    }
  })()
  for (const name of ['DATABASE_URL', 'REFRESH_KEY', 'JWT_KEYS', 'ENVIRONMENT']) expect(said).toContain(name)
  expect(said).not.toContain('hunter2')
})

test('limits may be raised anywhere but in production', () => {
  expect(readConfig({ ...vars(), RATE_LIMIT_FACTOR: '50' }).rateLimitFactor).toBe(50)
  expect(() => readConfig({ ...vars(), ENVIRONMENT: 'production', RATE_LIMIT_FACTOR: '2' })).toThrow(
    'RATE_LIMIT_FACTOR',
  )
})

test('what calls this machine, and keys that are none, are refused', () => {
  expect(readConfig({ ...vars(), ALLOW_LOOPBACK_URLS: 'true' }).outbound).toEqual({ loopback: true })
  expect(readConfig(vars()).outbound).toEqual({ loopback: false })
  expect(() => readConfig({ ...vars(), ENVIRONMENT: 'production', ALLOW_LOOPBACK_URLS: 'true' })).toThrow(
    'ALLOW_LOOPBACK_URLS',
  )
  const key = `${'A'.repeat(43)}=`
  const good = [
    { id: 'new', key },
    { id: 'old', key },
  ]
  expect(readConfig({ ...vars(), ENCRYPTION_KEYS: JSON.stringify(good) }).encryptionKeys).toEqual(good)
  for (const bad of [[], [{ id: 'a', key: 'short' }], [{ id: 'a.b', key }], [good[0], good[0]], 'x']) {
    expect(() => readConfig({ ...vars(), ENCRYPTION_KEYS: JSON.stringify(bad) })).toThrow('ENCRYPTION_KEYS')
  }
})

test('a provider without its key is off, an empty key is no key', () => {
  expect(readConfig({ ...vars(), ANTHROPIC_API_KEY: '' }).ai.anthropic).toBeNull()
  expect(readConfig({ ...vars(), ANTHROPIC_API_KEY: 'k' }).ai.anthropic).toMatchObject({
    apiKey: 'k',
    model: undefined,
  })
})

test('a model without a price, and a provider without what it needs, are refused', () => {
  const openai = { OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1' }
  expect(
    readConfig({ ...vars(), ...openai, OPENAI_MODELS: 'llama3.3=0/0,gpt=1.25/10@400000/128000#3' }).ai,
  ).toMatchObject({
    providers: ['openai-compatible'],
    openai: {
      models: [
        { name: 'llama3.3', inputDollars: 0, outputDollars: 0, contextTokens: 32_768, maxOutputTokens: 4096, tier: 2 },
        {
          name: 'gpt',
          inputDollars: 1.25,
          outputDollars: 10,
          contextTokens: 400_000,
          maxOutputTokens: 128_000,
          tier: 3,
        },
      ],
    },
  })
  expect(() => readConfig({ ...vars(), ...openai, OPENAI_MODELS: 'llama3.3' })).toThrow('OPENAI_MODELS')
  expect(() => readConfig({ ...vars(), ...openai })).toThrow('OPENAI_MODELS')
  expect(() => readConfig({ ...vars(), AI_PROVIDERS: 'anthropic' })).toThrow('anthropic is not configured')
  expect(() => readConfig({ ...vars(), AI_PROVIDERS: 'gemini' })).toThrow('AI_PROVIDERS')
})

test('who hears recordings needs a model with a price, and of Workers AI the one that is spoken to', () => {
  const turbo = '@cf/openai/whisper-large-v3-turbo'
  const bound = { ...vars(), TRANSCRIPTION_PROVIDER: 'workers-ai' }
  const read = (model: string) => readConfig({ ...bound, TRANSCRIPTION_MODEL: model }).ai.transcription
  expect(readConfig(vars()).ai.transcription).toBeNull()
  expect(read(`${turbo}=0.00051`)).toMatchObject({ model: { name: turbo, minuteDollars: 0.00051 } })
  for (const model of ['', turbo, `${turbo}=`, `${turbo}=free`, '@cf/openai/whisper=0.00045'])
    expect(() => read(model), model).toThrow('TRANSCRIPTION_MODEL')
  const own = { ...vars(), TRANSCRIPTION_PROVIDER: 'openai-compatible', TRANSCRIPTION_MODEL: 'whisper-1=0.006' }
  expect(() => readConfig(own)).toThrow('TRANSCRIPTION_BASE_URL')
})

test('a provider of mail needs what it sends with, and the mailbox of a laptop is not for production', () => {
  expect(readConfig(vars()).mail).toBeNull()
  const sendgrid = { ...vars(), MAIL_PROVIDER: 'sendgrid', SENDGRID_API_KEY: 'SG.x', MAIL_FROM: 'hello@example.com' }
  const mail = { provider: 'sendgrid', from: 'hello@example.com', fromName: 'Aurelius', apiKey: 'SG.x' }
  expect(readConfig(sendgrid).mail).toEqual({ ...mail, baseUrl: 'https://api.sendgrid.com' })
  expect(() => readConfig({ ...sendgrid, SENDGRID_API_KEY: '' })).toThrow('SENDGRID_API_KEY')
  expect(() => readConfig({ ...sendgrid, MAIL_FROM: '' })).toThrow('MAIL_FROM')
  expect(() => readConfig({ ...sendgrid, SENDGRID_API_KEY: 'SG.x\r\nx: y' })).toThrow('SENDGRID_API_KEY')
  for (const name of ['A\r\nBcc: b@example.com', 'A <b@example.com>', 'Gr\u00fc\u00dfe'])
    expect(() => readConfig({ ...sendgrid, MAIL_FROM_NAME: name })).toThrow('MAIL_FROM_NAME')
  const local = { ...vars(), MAIL_PROVIDER: 'local', MAIL_LOCAL_URL: 'http://127.0.0.1:8788/' }
  expect(readConfig(local).mail).toMatchObject({ provider: 'local', url: 'http://127.0.0.1:8788' })
  expect(() => readConfig({ ...local, MAIL_LOCAL_URL: '' })).toThrow('MAIL_LOCAL_URL')
  expect(() => readConfig({ ...local, ENVIRONMENT: 'production' })).toThrow('MAIL_PROVIDER')
})

test('passkeys are for the host of our own address unless set, and for the allowed pages in that domain', () => {
  const passkeysOf = (over: object) => readConfig({ ...vars(), ...over }).passkeys
  const own = {
    PUBLIC_URL: 'https://api.example.com',
    ALLOWED_ORIGINS: 'https://app.example.com,https://other.example',
  }
  expect(passkeysOf(own)).toEqual({ rpId: 'api.example.com', origins: ['https://api.example.com'] })
  expect(passkeysOf({ ...own, PASSKEY_RP_ID: 'example.com' })).toEqual({
    rpId: 'example.com',
    origins: ['https://api.example.com', 'https://app.example.com'],
  })
  expect(passkeysOf({ PUBLIC_URL: 'http://127.0.0.1:8787' })).toEqual({
    rpId: 'localhost',
    origins: ['http://localhost:8787'],
  })
  const app = 'android:apk-key-hash:abc'
  const origins = { PASSKEY_RP_ID: 'example.com', PASSKEY_ORIGINS: `https://www.example.com, ${app}` }
  expect(passkeysOf(origins).origins).toEqual(['https://www.example.com', app])
  expect(() => passkeysOf({ ...own, PASSKEY_ORIGINS: 'https://badexample.com' })).toThrow('PASSKEY_ORIGINS')
  expect(() => passkeysOf({ ...own, PASSKEY_ORIGINS: 'no page' })).toThrow('PASSKEY_ORIGINS')
  expect(() => passkeysOf({ ...own, PASSKEY_RP_ID: 'else.example' })).toThrow('PASSKEY_ORIGINS')
  expect(() => passkeysOf({ ...own, PASSKEY_RP_ID: 'https://example.com' })).toThrow('PASSKEY_RP_ID')
})

test('who registers is told nothing of others wherever a production sends mail, and by a session elsewhere', () => {
  const mail = { MAIL_PROVIDER: 'sendgrid', SENDGRID_API_KEY: 'SG.x', MAIL_FROM: 'hello@example.com' }
  const production = { ...vars(), ENVIRONMENT: 'production', RATE_LIMIT_FACTOR: '1' }
  const modeOf = (env: object) => readConfig(env).registration
  expect(modeOf({ ...production, ...mail })).toBe('mailed')
  expect(() => modeOf({ ...production, ...mail, REGISTRATION: 'direct' })).toThrow('REGISTRATION')
  expect(modeOf(production)).toBe('direct')
  expect(modeOf({ ...vars(), ...mail })).toBe('direct')
  expect(modeOf({ ...vars(), ...mail, REGISTRATION: 'mailed' })).toBe('mailed')
  expect(() => modeOf({ ...vars(), REGISTRATION: 'mailed' })).toThrow('REGISTRATION')
})

test('a provider of sign-ins needs all it signs in with, an address to return to, and its own place in production', () => {
  const none = { google: null, microsoft: null, apple: null, returnUrls: [] }
  expect(readConfig(vars()).signIn).toEqual(none)
  const given = {
    ...vars(),
    GOOGLE_CLIENT_ID: 'id',
    GOOGLE_CLIENT_SECRET: 's',
    SIGN_IN_RETURN_URLS: 'https://a.example/x',
  }
  expect(readConfig(given).signIn).toMatchObject({
    google: { clientId: 'id', clientSecret: 's', baseUrl: undefined },
    returnUrls: ['https://a.example/x'],
  })
  expect(() => readConfig({ ...given, GOOGLE_CLIENT_SECRET: '' })).toThrow('GOOGLE_CLIENT_SECRET')
  expect(() => readConfig({ ...given, SIGN_IN_RETURN_URLS: '' })).toThrow('SIGN_IN_RETURN_URLS')
  for (const url of ['app.example.com', 'javascript:alert(1)', 'https://a@b.example/', 'https://a.example/#x'])
    expect(() => readConfig({ ...given, SIGN_IN_RETURN_URLS: url })).toThrow('SIGN_IN_RETURN_URLS')
  const local = { ...given, GOOGLE_BASE_URL: 'http://127.0.0.1:4000' }
  expect(readConfig(local).signIn.google?.baseUrl).toBe('http://127.0.0.1:4000')
  expect(() => readConfig({ ...local, ENVIRONMENT: 'production' })).toThrow('GOOGLE_BASE_URL')
  const pem = '-----BEGIN PRIVATE KEY-----\\nMIG\\n-----END PRIVATE KEY-----'
  const apple = { ...given, APPLE_CLIENT_ID: 'a', APPLE_TEAM_ID: 't', APPLE_KEY_ID: 'k', APPLE_PRIVATE_KEY: pem }
  expect(readConfig(apple).signIn.apple?.privateKey).toBe(pem.replaceAll('\\n', '\n'))
  expect(() => readConfig({ ...apple, APPLE_PRIVATE_KEY: 'MIG' })).toThrow('APPLE_PRIVATE_KEY')
  expect(() => readConfig({ ...given, MICROSOFT_TENANT: 'contoso.com' })).toThrow('MICROSOFT_TENANT')
})
