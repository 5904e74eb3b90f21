import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { buildWorker, copySource, startWorker } from './worker.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aurelius-worker-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a changed copy of the tree is built and runs beside the real one', { timeout: 60_000 }, async () => {
  const folder = temporary()
  const sourceDir = join(folder, 'tree')
  copySource(sourceDir)
  const file = join(sourceDir, 'workers/docs.ts')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('Aurelius API', 'Sabotaged API'))

  const outDir = join(folder, 'dist')
  const bundles = await Promise.all([buildWorker(outDir), buildWorker(outDir, { sourceDir })])
  expect(new Set(bundles).size).toBe(2)
  expect(await buildWorker(outDir)).toBe(bundles[0])

  const start = (bundleDir: string, name: string) =>
    startWorker({ bundleDir, sourceDir, persistDir: join(folder, name), vars: inject('vars') })
  const workers = await Promise.all(bundles.map((bundle, n) => start(bundle, `objects-${n}`)))
  const pages = await Promise.all(workers.map(async ({ url }) => (await fetch(`${url}/docs`)).text()))
  expect(pages.map((page) => /(\w+) API/.exec(page)?.[1])).toEqual(['Aurelius', 'Sabotaged'])

  const [worker] = workers
  const style = await fetch(`${worker?.url}/docs/swagger-ui.css`)
  expect([style.status, style.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8'])
  expect((await fetch(`${worker?.url}/swagger-ui.css`)).status).toBe(404)
  await worker?.scheduled(new Date('2026-11-23T10:00:00Z'))
  await Promise.all(workers.map((one) => one.stop()))
})

test('what does not build is said in one line', { timeout: 60_000 }, async () => {
  const folder = temporary()
  copySource(folder)
  writeFileSync(join(folder, 'workers/docs.ts'), 'export const = nonsense')
  await expect(buildWorker(join(folder, 'dist'), { sourceDir: folder })).rejects.toThrow(
    /^the Worker does not build: .*docs\.ts/,
  )
})
