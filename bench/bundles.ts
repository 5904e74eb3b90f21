import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'

export const COMPATIBILITY_DATE = '2026-10-15'
const ROOT = resolve(import.meta.dirname, '..')
const QUIET = { WRANGLER_HIDE_BANNER: 'true', WRANGLER_SEND_METRICS: 'false', WRANGLER_WRITE_LOGS: 'false' }

/** A bare Worker, bundled as ours is. */
export async function withBareBundle<T>(work: (bundleDir: string) => Promise<T>, main = 'bench/bare.ts'): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-bare-'))
  try {
    const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
    const config = { name: 'bare', main: join(ROOT, main), compatibility_date: COMPATIBILITY_DATE }
    writeFileSync(join(dir, 'wrangler.json'), JSON.stringify(config))
    const bundleDir = join(dir, 'bundle')
    const args = ['--config', join(dir, 'wrangler.json'), '--dry-run', '--minify', '--outdir', bundleDir]
    await promisify(execFile)(process.execPath, [wrangler, 'deploy', ...args], { env: { ...process.env, ...QUIET } })
    return await work(bundleDir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const namesOf = (bundleDir: string) => readdirSync(bundleDir).filter((name) => /\.(js|wasm)$/.test(name))

/** A bundle as Miniflare takes it. */
export function readModules(bundleDir: string) {
  const modules = namesOf(bundleDir)
    .filter((name) => name.endsWith('.js'))
    .map((name) => ({ type: 'ESModule' as const, path: join(bundleDir, name) }))
  return { modulesRoot: bundleDir, modules }
}

/** What a deployment uploads, packed. */
export function gzipBytes(bundleDir: string): number {
  return namesOf(bundleDir).reduce((sum, name) => sum + gzipSync(readFileSync(join(bundleDir, name))).length, 0)
}
