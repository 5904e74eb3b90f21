import { defineConfig } from 'vitest/config'

/** What needs a real Chromium: `npm run browser`. */
export default defineConfig({
  test: { globalSetup: './test/global-setup.ts', include: ['test/browser/*.test.ts'], testTimeout: 60_000 },
})
