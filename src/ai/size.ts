import { Buffer } from 'node:buffer'
import type { ModelMessage, ModelRequest, ModelTool } from './model.ts'

/** A prompt as JSON: `bytes` of all of it, `chars` without what stands around the words of a message. */
export type Size = { bytes: number; chars: number }

type Measured = { chars: number; bytes: number }

const EMPTY_BYTES = 2
// A tool is mostly the same one for every step of every turn, its schema always.
const known = new WeakMap<ModelTool, Measured>()
const schemas = new WeakMap<ModelTool['inputSchema'], Measured>()
const sizes = new WeakMap<ModelRequest, Size>()
// What was said before is the same to each step of a turn.
const told = new WeakMap<ModelMessage, Measured>()

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
  // The zeros stand for what is measured piece by piece.
  const around = inJson([system, volatileSystem, 0, 0, 0, format])
  const said = sum(messages.map(ofMessage))
  const [open, closed] = [sum(tools.map(ofTool)), sum(closedTools.map(ofTool))]
  // Brackets and commas.
  const array = (count: number) => (count === 0 ? 0 : count + 1)
  const lists = [messages, tools, closedTools].map(({ length }) => Math.max(EMPTY_BYTES, array(length)) - 1)
  return {
    bytes: around.bytes + said.bytes + open.bytes + closed.bytes + lists.reduce((total, bytes) => total + bytes),
    chars:
      system.length +
      volatileSystem.length +
      open.chars +
      closed.chars +
      array(tools.length + closedTools.length) +
      said.chars +
      array(messages.length),
  }
}

/** All its bytes, and the characters of its parts. */
function ofMessage(message: ModelMessage): Measured {
  const size = told.get(message) ?? measureMessage(message)
  told.set(message, size)
  return size
}

function measureMessage(message: ModelMessage): Measured {
  const { chars, bytes } = inJson(message)
  return { chars: chars - JSON.stringify({ ...message, parts: 0 }).length + 1, bytes }
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
