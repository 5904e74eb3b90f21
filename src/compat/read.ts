import type { Format, ModelTool } from '#ai'
import { refuse } from './schema.ts'

type Part = { type: string; text?: string | null | undefined }

// Each protocol's own names for text; a refusal is what an assistant said too.
const TEXTS = new Set(['text', 'input_text', 'output_text', 'refusal'])

/** The text of a message; a picture, a sound or a file is refused. */
export function partsText(content: string | Part[] | null | undefined, pointer: string): string {
  if (typeof content === 'string') return content
  const texts = (content ?? []).map((part, index) => {
    if (!TEXTS.has(part.type)) throw refuse(`${pointer}/${index}`, `${part.type} is not supported: only text is`)
    return typeof part.text === 'string' ? part.text : ''
  })
  return texts.join('\n')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a tool was called with; a model that wrote no object is read as having given nothing. */
export function readArguments(text: string): object {
  const value = parseJson(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

/** What a tool answered: JSON where it is an object or a list, else its text. */
export function readOutput(text: string): unknown {
  return (/^\s*[[{]/.test(text) ? parseJson(text) : undefined) ?? text
}

type OpenaiTool = { name: string; description?: string | null | undefined; parameters?: object | null | undefined }

export function openaiTools(tools: OpenaiTool[]): ModelTool[] {
  return tools.map(({ name, description, parameters }) => ({
    name,
    description: description ?? '',
    inputSchema: { type: 'object', ...parameters },
  }))
}

type JsonSchema = { name?: string | undefined; schema?: Record<string, unknown> | undefined }

/** What shape the answer is to have. */
export function formatOf(
  type: string | undefined,
  schema: JsonSchema | undefined,
  pointer: string,
): Format | undefined {
  if (type === undefined || type === 'text') return undefined
  if (type === 'json_object') return 'json'
  if (type !== 'json_schema') throw refuse(`${pointer}/type`, `${type} is not supported`)
  if (!schema?.schema) throw refuse(pointer, 'a json_schema needs its schema')
  return { name: schema.name ?? 'answer', schema: schema.schema }
}
