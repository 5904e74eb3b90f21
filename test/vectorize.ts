const LIMITS = { idBytes: 64, upsert: 1000, delete: 100, topK: 100, topKWithMore: 20, namespace: 64 }
const METADATA_BYTES = 10 * 1024
const INDEXED_BYTES = 64

const bytes = (text: string) => new TextEncoder().encode(text).length

function refuse(code: number, problem: string): never {
  throw new Error(`VECTOR_ERROR (code = ${code}): ${problem}`)
}

type Kept = VectorizeVector & { values: number[] }

/**
 * Cloudflare's index as its documentation describes it: what it refuses is refused, numbers are float32, and a change
 * is taken at once but shows only after `settle`.
 */
export function fakeVectorize(dimensions: number, indexed: string[]) {
  const seen = new Map<string, Kept>()
  let waiting: (() => void)[] = []
  const calls: string[] = []

  const mutation = (name: string, change: () => void): VectorizeAsyncMutation => {
    calls.push(name)
    waiting.push(change)
    return { mutationId: crypto.randomUUID() }
  }

  return {
    calls,
    /** Everything in the index, seen or not yet. */
    ids: () => [...seen.keys()],
    settle() {
      for (const change of waiting) change()
      waiting = []
    },
    async upsert(vectors: VectorizeVector[]): Promise<VectorizeAsyncMutation> {
      if (vectors.length > LIMITS.upsert) refuse(40008, `${vectors.length} vectors; max is ${LIMITS.upsert}`)
      for (const { id, values, namespace = '', metadata = {} } of vectors) {
        if (id === '' || bytes(id) > LIMITS.idBytes) refuse(40009, `id of ${bytes(id)} bytes`)
        if (values.length !== dimensions) refuse(40012, `expected ${dimensions} dimensions, got ${values.length}`)
        if (bytes(namespace) > LIMITS.namespace) refuse(40010, 'namespace too long')
        if (bytes(JSON.stringify(metadata)) > METADATA_BYTES) refuse(40011, 'metadata too large')
      }
      if (new Set(vectors.map(({ id }) => id)).size < vectors.length) refuse(40013, 'an id twice in one call')
      return mutation('upsert', () => {
        for (const vector of vectors) seen.set(vector.id, { ...vector, values: [...Float32Array.from(vector.values)] })
      })
    },
    async deleteByIds(ids: string[]): Promise<VectorizeAsyncMutation> {
      if (ids.length > LIMITS.delete) refuse(40007, `too many ids in payload; max id count is ${LIMITS.delete}`)
      return mutation('delete', () => {
        for (const id of ids) seen.delete(id)
      })
    },
    async query(vector: number[] | VectorFloatArray, options: VectorizeQueryOptions = {}): Promise<VectorizeMatches> {
      calls.push('query')
      const { topK = 5, namespace = '', filter = {}, returnValues, returnMetadata = 'none' } = options
      if (vector.length !== dimensions) refuse(40006, `expected ${dimensions} dimensions, got ${vector.length}`)
      if (bytes(namespace) > LIMITS.namespace) refuse(40010, 'namespace too long')
      const most = returnValues || returnMetadata === 'all' ? LIMITS.topKWithMore : LIMITS.topK
      if (topK < 1 || topK > most) refuse(40025, `topK ${topK}; max is ${most}`)
      const named = Object.entries(filter)
      const unknown = named.find(([name]) => !indexed.includes(name))
      if (unknown) refuse(40026, `there is no metadata index on ${unknown[0]}`)
      const fits = (kept: Kept) =>
        (kept.namespace ?? '') === namespace &&
        named.every(([name, wanted]) => String(kept.metadata?.[name]).slice(0, INDEXED_BYTES) === wanted)
      const matches = [...seen.values()]
        .filter(fits)
        .map(({ id, values }) => ({ id, score: cosine([...vector], values) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, topK)
      return { matches, count: matches.length }
    },
  }
}

function cosine(a: number[], b: number[]): number {
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}
