import { Buffer } from 'node:buffer'
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig, type Plugin } from 'vitest/config'

// What the bundler does for the Worker: a compiled module, not an instance of it.
const WASM = '\0wasm:'
const wasm: Plugin = {
  name: 'wasm',
  enforce: 'pre',
  resolveId: (source) =>
    source.endsWith('.wasm') ? `${WASM}${Buffer.from(import.meta.resolve(source)).toString('hex')}` : null,
  load: (id) =>
    id.startsWith(WASM)
      ? `import { readFileSync } from 'node:fs'
        const url = Buffer.from('${id.slice(WASM.length)}', 'hex').toString()
        export default new WebAssembly.Module(readFileSync(new URL(url)))`
      : null,
}

export default defineConfig({
  test: {
    // One Postgres for both projects.
    globalSetup: './test/global-setup.ts',
    projects: [
      {
        plugins: [wasm],
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['test/browser/**'],
          isolate: false,
          setupFiles: ['./src/ai/breakers.setup.ts'],
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
