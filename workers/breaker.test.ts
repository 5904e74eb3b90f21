import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { breakerStates } from '#ai'
import { makeCtx } from './context.ts'

const CLAUDE = { ANTHROPIC_API_KEY: 'test-key', ANTHROPIC_MODEL: 'claude-opus-5-5' }
const runtime = { waitUntil: () => undefined }

test('what a colo knows of a model is in its cache, and is told where readiness is asked for', async () => {
  const ctx = makeCtx(Object.assign({ ...env }, CLAUDE), runtime)
  expect(await breakerStates(ctx)).toEqual([{ provider: 'anthropic', status: 'ok', detail: 'closed' }])
  const url = `${ctx.config.publicUrl}/.breakers/${encodeURIComponent('anthropic/claude-opus-5-5')}`
  const untilMs = ctx.now().getTime() + 60_000
  await caches.default.put(url, new Response(String(untilMs), { headers: { 'cache-control': 'max-age=60' } }))
  const [told] = await breakerStates(ctx)
  expect(told).toEqual({ provider: 'anthropic', status: 'down', detail: 'open: claude-opus-5-5' })
})
