import type { Result } from './execute.ts'

/** A JSON parameter as Postgres text. The Neon driver sends text and null; anyone else may send plain JSON. */
export function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return arrayLiteral(value)
  if (typeof value === 'object') return JSON.stringify(value)
  return String(value)
}

function arrayLiteral(items: unknown[]): string {
  return `{${items.map(arrayElement).join(',')}}`
}

function arrayElement(item: unknown): string {
  if (Array.isArray(item)) return arrayLiteral(item)
  const text = toText(item)
  return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`
}

const BOOL = 16
const INT2 = 21
const INT4 = 23
const FLOAT4 = 700
const FLOAT8 = 701
const JSON_TYPE = 114
const JSONB = 3802

/** Postgres text as the JSON values nearest to it. What JSON would bend (int8, numeric, dates) stays text. */
export function toJsonRow(row: (string | null)[], fields: Result['fields']): unknown[] {
  return fields.map(({ dataTypeID }, i) => toJson(row[i] ?? null, dataTypeID))
}

export function toObject(row: unknown[], fields: Result['fields']): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ name }, i) => [name, row[i]]))
}

function toJson(text: string | null, dataTypeID: number): unknown {
  if (text === null) return null
  switch (dataTypeID) {
    case BOOL:
      return text === 't'
    case INT2:
    case INT4:
      return Number(text)
    case FLOAT4:
    case FLOAT8:
      return Number.isFinite(Number(text)) ? Number(text) : text
    case JSON_TYPE:
    case JSONB:
      return JSON.parse(text)
    default:
      return text
  }
}
