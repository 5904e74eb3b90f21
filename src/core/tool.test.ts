import { expect, test } from 'vitest'
import { z } from 'zod'
import type { UserCtx } from './ctx.ts'
import { defineTool } from './tool.ts'

const ctx = {} as UserCtx
const tool = defineTool({
  name: 'double',
  description: 'Twice a number.',
  input: z.strictObject({ number: z.number().max(10).default(1) }),
  run: async (_ctx, { number }) => ({ output: number * 2 }),
})

test('a tool neither asks nor is safe unless it says so', () => {
  expect(tool).toMatchObject({ name: 'double', destructive: false, readOnly: false })
})

test('a tool runs with its input as its schema reads it', async () => {
  expect(await tool.run(ctx, {})).toEqual({ output: 2 })
  expect(await tool.run(ctx, { number: 4 })).toEqual({ output: 8 })
})

test('input that does not fit is refused with pointers, and nothing runs', async () => {
  await expect(tool.run(ctx, { number: 11, 'a/b': 1 })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/number' }, { pointer: '/' }],
  })
})
