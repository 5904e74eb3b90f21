import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // One Postgres for both projects.
    globalSetup: './test/global-setup.ts',
    projects: [
      {
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['test/browser/**'],
          isolate: false,
          testTimeout: 30_000,
        },
      },
      // The gateway's tests speak to the driver without our handle, which a shared process would lend them.
      { test: { name: 'local', include: ['local/**/*.test.ts'], testTimeout: 30_000 } },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            main: './workers/index.ts',
            wrangler: { configPath: './wrangler.toml' },
            remoteBindings: false,
            miniflare: { bindings: inject('vars') },
          })),
        ],
        test: { name: 'workers', include: ['workers/**/*.test.ts'], testTimeout: 30_000 },
      },
    ],
  },
})
