import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildWorker, copySource } from '../local/worker.ts'

const MAIN = 'workers/index.ts'
// Through Miniflare's own door an object would stay open for good: what asks it there never ends.
const DOOR = `import worker from './index.ts'
export * from './index.ts'
export default {
  ...worker,
  async fetch(request, env, runtime) {
    if (new URL(request.url).pathname !== '/arm') return await worker.fetch(request, env, runtime)
    const { name, timers } = await request.json()
    const { ok } = await env.STEWARD.getByName(name).arm(timers)
    return new Response(ok ? 'armed' : 'refused', { status: ok ? 200 : 500 })
  },
}
`

/** The built Worker with one more path, by which a Steward is armed; answers its folder. */
export async function buildWithDoor(outDir: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-door-'))
  try {
    copySource(dir)
    writeFileSync(join(dir, 'workers/door.js'), DOOR)
    const config = join(dir, 'wrangler.toml')
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, text.replace(`main = "${MAIN}"`, 'main = "workers/door.js"'))
    return await buildWorker(outDir, { minify: true, sourceDir: dir })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
