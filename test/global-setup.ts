import type { TestProject } from 'vitest/node'
import { newSecrets } from '../local/secrets.ts'
import { startMigrated } from './migrated.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The vars and secrets of the world the tests share: one Postgres, a person of its own for each test. */
    vars: Record<string, string>
  }
}

let running: Promise<{ vars: Record<string, string>; close(): Promise<void> }> | undefined

// Both projects ask; one Postgres answers.
async function start() {
  const postgres = await startMigrated()
  const vars = {
    ENVIRONMENT: 'test',
    PUBLIC_URL: 'http://aurelius.test',
    DATABASE_URL: postgres.connectionString,
    DATABASE_FETCH_ENDPOINT: postgres.url,
    RATE_LIMIT_FACTOR: '1000',
    LOG_LEVEL: 'error',
    ...(await newSecrets()),
  }
  return { vars, close: () => postgres.close() }
}

export async function setup(project: TestProject): Promise<void> {
  running ??= start()
  project.provide('vars', (await running).vars)
}

export async function teardown(): Promise<void> {
  const world = running
  running = undefined
  await (await world)?.close()
}
