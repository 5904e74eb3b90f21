import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ModelRequest } from './model.ts'
import { sizeOf } from './size.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const tool = fc.record({ name: text, description: text, inputSchema: fc.dictionary(text, fc.jsonValue()) })
const user = fc.record({
  role: fc.constant('user' as const),
  at: text,
  parts: fc.array(fc.record({ type: fc.constant('text' as const), text }), { maxLength: 3 }),
})
const request = fc.record(
  {
    system: text,
    volatileSystem: text,
    messages: fc.array(user, { maxLength: 4 }),
    tools: fc.array(tool, { maxLength: 3 }),
    maxOutputTokens: fc.constant(1),
    closedTools: fc.array(tool, { maxLength: 3 }),
    format: fc.constantFrom('text' as const, 'json' as const),
  },
  { requiredKeys: ['system', 'volatileSystem', 'messages', 'tools', 'maxOutputTokens'] },
)

const json = (value: unknown[]) => (value.length === 0 ? '' : JSON.stringify(value))

test('a prompt measured in pieces is as long as in one, also the second time', () => {
  fc.assert(
    fc.property(request, (asked: ModelRequest) => {
      const { system, volatileSystem, messages, tools, closedTools = [], format } = asked
      const parts = messages.map((message) => message.parts)
      const words = system.length + volatileSystem.length
      const whole = {
        bytes: Buffer.byteLength(JSON.stringify([system, volatileSystem, messages, tools, closedTools, format])),
        chars: words + json([...tools, ...closedTools]).length + json(parts).length,
      }
      expect(sizeOf(asked)).toEqual(whole)
      // Another request with the same tools.
      expect(sizeOf({ ...asked })).toEqual(whole)
    }),
  )
})
