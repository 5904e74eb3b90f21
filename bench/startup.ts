import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { COMPATIBILITY_DATE } from './bundles.ts'
import { middle } from './report.ts'

const ISOLATES = 30
const NAME = 'starts'

// A Worker that starts other Workers: each id is a new isolate, its code compiled and its top level run anew.
const STARTER = `
export default {
  async fetch(request, { LOADER }) {
    const { searchParams } = new URL(request.url)
    const worker = LOADER.get(searchParams.get('id'), () => ({
      compatibilityDate: '${COMPATIBILITY_DATE}', mainModule: 'entry.js', modules: MODULES[searchParams.get('which')], env: {} }))
    return await worker.getEntrypoint().fetch('http://startup/')
  },
}`
const ANSWER = 'export default { fetch: () => new Response("started") }'

export type Startup = { ms: number; medianMs: number; emptyMs: number; isolates: number }

/**
 * How long an isolate of this bundle takes from nothing to its first answer, over one of an empty Worker: compiling
 * the bundle and running its top level. Many isolates one after the other in one workerd, ours and empty in turn;
 * `ms` is the fastest of each, which others on the machine have disturbed least.
 */
export async function measureStartup(bundleDir: string): Promise<Startup> {
  const files = readdirSync(bundleDir)
  const wasm = files.filter((name) => name.endsWith('.wasm'))
  const imports = wasm.map((name, i) => `import wasm${i} from './${name}.bin'`).join('\n')
  const parts = wasm.map((name, i) => `'${name}': { wasm: wasm${i} }`).join(', ')
  const contents = `import code from './code.txt'
${imports}
const MODULES = {
  empty: { 'entry.js': { js: '${ANSWER}' } },
  whole: { 'entry.js': { js: 'import "./index.js"; ${ANSWER}' }, 'index.js': { js: code }, ${parts} },
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
        },
      ],
    }),
  )
  try {
    const url = await miniflare.ready
    const [whole, empty]: [number[], number[]] = [[], []]
    for (let i = 0; i < ISOLATES; i++) {
      empty.push(await timeStart(url, 'empty', i))
      whole.push(await timeStart(url, 'whole', i))
    }
    const emptyMs = Math.min(...empty)
    return { ms: Math.min(...whole) - emptyMs, medianMs: middle(whole) - middle(empty), emptyMs, isolates: ISOLATES }
  } finally {
    await miniflare.dispose()
  }
}

async function timeStart(url: URL, which: string, i: number): Promise<number> {
  const started = performance.now()
  const answer = await fetch(new URL(`/?which=${which}&id=${which}-${i}`, url))
  const text = await answer.text()
  if (text !== 'started') throw new Error(`the Worker does not start: ${text.slice(0, 300)}`)
  return performance.now() - started
}
