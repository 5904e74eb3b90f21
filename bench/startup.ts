import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { COMPATIBILITY_DATE } from './bundles.ts'
import { middle } from './report.ts'

const ISOLATES = 30
const NAME = 'starts'
const ASKED = '/v1/tasks'

// A Worker that starts other Workers: each id is a new isolate, its code compiled and its top level run anew.
const STARTER = `
export default {
  async fetch(request, { LOADER, VARS }) {
    const { searchParams } = new URL(request.url)
    const worker = LOADER.get(searchParams.get('id'), () => ({
      compatibilityDate: '${COMPATIBILITY_DATE}', mainModule: 'entry.js', modules: MODULES[searchParams.get('which')], env: VARS }))
    return await worker.getEntrypoint().fetch('http://startup${ASKED}', { headers: request.headers })
  },
}`
const ANSWER = 'export default { fetch: () => new Response("started") }'
const KINDS = ['empty', 'whole', 'asked'] as const

type Over = { ms: number; medianMs: number }
/** `first`: with the answer to a first request besides. */
export type Startup = Over & { first: Over; emptyMs: number; isolates: number }
type Asking = { vars: Record<string, string>; accessToken: string }

/**
 * How long an isolate of this bundle takes from nothing to its first answer, over one of an empty Worker: compiling
 * the bundle and running its top level. What the start leaves for later is measured too: to the answer to a person's
 * first request. Many isolates one after the other in one workerd, of each kind in turn; `ms` is the fastest of each,
 * which others on the machine have disturbed least.
 */
export async function measureStartup(bundleDir: string, { vars, accessToken }: Asking): Promise<Startup> {
  const files = readdirSync(bundleDir)
  const wasm = files.filter((name) => name.endsWith('.wasm'))
  const imports = wasm.map((name, i) => `import wasm${i} from './${name}.bin'`).join('\n')
  const parts = ["'index.js': { js: code }", ...wasm.map((name, i) => `'${name}': { wasm: wasm${i} }`)].join(', ')
  const contents = `import code from './code.txt'
${imports}
const MODULES = {
  empty: { 'entry.js': { js: '${ANSWER}' } },
  whole: { 'entry.js': { js: 'import "./index.js"; ${ANSWER}' }, ${parts} },
  asked: { 'entry.js': { js: 'import app from "./index.js"; export default { fetch: (...asked) => app.fetch(...asked) }' }, ${parts} },
}
${STARTER}`
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      log: new Log(LogLevel.WARN),
      workers: [
        {
          name: NAME,
          compatibilityDate: COMPATIBILITY_DATE,
          modulesRoot: '/',
          modules: [
            { type: 'ESModule', path: '/starter.js', contents },
            { type: 'Text', path: '/code.txt', contents: readFileSync(join(bundleDir, 'index.js'), 'utf8') },
            ...wasm.map((name) => ({
              type: 'Data' as const,
              path: `/${name}.bin`,
              contents: readFileSync(join(bundleDir, name)),
            })),
          ],
          workerLoaders: { LOADER: {} },
          bindings: { VARS: vars },
        },
      ],
    }),
  )
  try {
    const url = await miniflare.ready
    const times = { empty: [] as number[], whole: [] as number[], asked: [] as number[] }
    for (let i = 0; i < ISOLATES; i++)
      for (const kind of KINDS) times[kind].push(await timeStart(url, kind, i, accessToken))
    const emptyMs = Math.min(...times.empty)
    const over = (kind: number[]) => ({ ms: Math.min(...kind) - emptyMs, medianMs: middle(kind) - middle(times.empty) })
    return { ...over(times.whole), first: over(times.asked), emptyMs, isolates: ISOLATES }
  } finally {
    await miniflare.dispose()
  }
}

async function timeStart(url: URL, which: (typeof KINDS)[number], i: number, accessToken: string): Promise<number> {
  const started = performance.now()
  const headers = { authorization: `Bearer ${accessToken}` }
  const answer = await fetch(new URL(`/?which=${which}&id=${which}-${i}`, url), { headers })
  const text = await answer.text()
  if (!(which === 'asked' ? answer.ok && text.startsWith('{"items":[{') : text === 'started'))
    throw new Error(`the Worker does not start: ${text.slice(0, 300)}`)
  return performance.now() - started
}
