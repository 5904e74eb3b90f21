import { createHash } from 'node:crypto'

/**
 * `kind` and `id` name what the vector is of. Vectors are compared within one `space` only: the model that made them, and
 * whatever else must be the same.
 */
export type VectorRow = { kind: string; id: string; space: string; vector: number[]; meta?: Record<string, string> }

export type VectorQuery = { kind: string; space: string; vector: number[]; limit: number; minScore: number }

/** `score` is the cosine: 1 is the same direction. */
export type VectorMatch = { id: string; score: number; meta: Record<string, string> }

/** The vectors of one person, and of nobody else. Whoever found something by it asks its own tables what it is. */
export type VectorStore = {
  /** Keeps or replaces, by kind and id. */
  upsert(rows: VectorRow[]): Promise<void>
  /** The nearest, nearest first. */
  query(query: VectorQuery): Promise<VectorMatch[]>
  /** Those of the ids; without ids all of the kind; without a kind all there are. */
  remove(what: { kind: string; ids?: string[] } | Record<string, never>): Promise<void>
}

const MAX_DIMENSIONS = 1536
export const MAX_MATCHES = 100
const MAX_ID_BYTES = 40
const KIND = /^[a-z_]{1,20}$/

const digest = (parts: string[]) => createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)

/** Unique over all people, 63 bytes at most. */
export function keyOf(userId: string, kind: string, id: string): string {
  return `${digest([userId, kind])}.${id}`
}

/** What a query is confined to. */
export function scopeOf(userId: string, kind: string, space: string): string {
  return digest([userId, kind, space])
}

/** Each thing once, the last word about it; throws for what a store would refuse or compare wrongly. */
export function checkedRows(rows: VectorRow[]): VectorRow[] {
  for (const { kind, id, vector } of rows) {
    requireKind(kind)
    if (id === '' || new TextEncoder().encode(id).length > MAX_ID_BYTES)
      throw new Error(`the id of a vector has 1 to ${MAX_ID_BYTES} bytes`)
    requireVector(vector)
  }
  return [...new Map(rows.map((row) => [`${row.kind}.${row.id}`, row])).values()]
}

export function checkedQuery(query: VectorQuery): VectorQuery {
  requireKind(query.kind)
  requireVector(query.vector)
  const { limit } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_MATCHES)
    throw new Error(`a query for vectors asks for 1 to ${MAX_MATCHES}`)
  return query
}

function requireKind(kind: string): void {
  if (!KIND.test(kind)) throw new Error(`"${kind.slice(0, 40)}" is not a kind of vector`)
}

// One without a direction has no cosine, and NaN sorts before every number.
function requireVector(vector: number[]): void {
  if (vector.length < 1 || vector.length > MAX_DIMENSIONS)
    throw new Error(`a vector has 1 to ${MAX_DIMENSIONS} dimensions, not ${vector.length}`)
  if (!vector.every((value) => Number.isFinite(value)) || vector.every((value) => value === 0))
    throw new Error('a vector needs a direction')
}
