import { expect, inject, test } from 'vitest'
import { readConfig } from './config.ts'

const vars = () => inject('vars')

test('a complete environment is read', () => {
  const config = readConfig(vars())
  expect(config).toMatchObject({ environment: 'test', publicUrl: 'http://aurelius.test', anthropic: null })
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

test('a provider without its key is off, an empty key is no key', () => {
  expect(readConfig({ ...vars(), ANTHROPIC_API_KEY: '' }).anthropic).toBeNull()
  expect(readConfig({ ...vars(), ANTHROPIC_API_KEY: 'k' }).anthropic).toMatchObject({
    apiKey: 'k',
    model: 'claude-sonnet-5-5',
  })
})
