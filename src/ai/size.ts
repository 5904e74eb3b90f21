import { Buffer } from 'node:buffer'
import type { ModelMessage, ModelRequest, ModelTool } from './model.ts'

/** A prompt as JSON: `bytes` of all of it, `chars` without what stands around the words of a message. */
export type Size = { bytes: number; chars: number }

type Measured = { chars: number; bytes: number }

const EMPTY: Measured = { chars: 2, bytes: 2 }
// A tool is mostly the same one for every step of every turn, its schema always.
const known = new WeakMap<ModelTool, Measured>()
const schemas = new WeakMap<ModelTool['inputSchema'], Measured>()
const sizes = new WeakMap<ModelRequest, Size>()
// What was said before is the same to each step of a turn.
const said = new WeakMap<ModelMessage, Measured>()

/** Measured once for a request, which nobody changes once it was asked. */
export function sizeOf(request: ModelRequest): Size {
  const known = sizes.get(request)
  if (known) return known
  const size = measure(request)
  sizes.set(request, size)
  return size
}

/** How long the words, calls and results of these messages are as JSON. */
export const charsOf = (messages: ModelMessage[]): number => sum(messages.map(ofMessage)).chars

function measure({ system, volatileSystem, messages, tools, closedTools = [], format }: ModelRequest): Size {
  const parts = messages.map(ofMessage)
  const around = inJson([system, volatileSystem, messages.map((message) => ({ ...message, parts: 0 })), 0, 0, format])
  const [words, open, closed] = [sum(parts), sum(tools.map(ofTool)), sum(closedTools.map(ofTool))]
  const array = (count: number) => (count === 0 ? 0 : count + 1)
  return {
    // Each part in place of its 0; an array has brackets and commas.
    bytes:
      around.bytes -
      messages.length +
      words.bytes -
      EMPTY.bytes +
      open.bytes +
      closed.bytes +
      Math.max(EMPTY.bytes, array(tools.length)) +
      Math.max(EMPTY.bytes, array(closedTools.length)),
    chars:
      system.length +
      volatileSystem.length +
      open.chars +
      closed.chars +
      array(tools.length + closedTools.length) +
      words.chars +
      array(messages.length),
  }
}

function ofMessage(message: ModelMessage): Measured {
  const size = said.get(message) ?? inJson(message.parts)
  said.set(message, size)
  return size
}

function ofTool(tool: ModelTool): Measured {
  const size = known.get(tool) ?? measureTool(tool)
  known.set(tool, size)
  return size
}

function measureTool({ inputSchema, ...named }: ModelTool): Measured {
  const schema = schemas.get(inputSchema) ?? inJson(inputSchema)
  schemas.set(inputSchema, schema)
  const rest = inJson({ ...named, inputSchema: 0 })
  return { chars: rest.chars - 1 + schema.chars, bytes: rest.bytes - 1 + schema.bytes }
}

function inJson(value: object): Measured {
  const json = JSON.stringify(value)
  return { chars: json.length, bytes: Buffer.byteLength(json) }
}

function sum(all: Measured[]): Measured {
  const add = (total: Measured, one: Measured) => ({ chars: total.chars + one.chars, bytes: total.bytes + one.bytes })
  return all.reduce(add, { chars: 0, bytes: 0 })
}
