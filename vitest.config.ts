import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const globalSetup = './test/global-setup.ts'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'local/**/*.test.ts', 'test/**/*.test.ts'],
          globalSetup,
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            main: './workers/index.ts',
            wrangler: { configPath: './wrangler.toml' },
            remoteBindings: false,
            miniflare: { bindings: inject('vars') },
          })),
        ],
        test: { name: 'workers', include: ['workers/**/*.test.ts'], globalSetup, testTimeout: 30_000 },
      },
    ],
  },
})
