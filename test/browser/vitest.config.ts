import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

const ROOT = resolve(import.meta.dirname, '../..')

/** What needs a real Chromium: `npm run browser`. */
export default defineConfig({
  test: { root: ROOT, globalSetup: 'test/global-setup.ts', include: ['test/browser/*.test.ts'], testTimeout: 60_000 },
})
