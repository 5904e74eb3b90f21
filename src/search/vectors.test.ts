import { eq, isNull } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { makePerson, type Person, revoke, testCtx } from '#test/database'
import { personOnServer } from '#test/server'
import { fakeVectorize } from '#test/vectorize'
import { users } from '#users/tables'
import { countVectors, eraseVectors, sweepErased, vectorHealth, vectorStore } from './store.ts'
import { embeddings } from './tables.ts'

const KIND = 'answer'
const SPACE = 'm1'

type Scene = { settle(): void; make(): Promise<Person> }

const scenes: Record<string, () => Scene> = {
  pgvector: () => ({ settle: () => {}, make: () => makePerson() }),
  vectorize: () => {
    const index = fakeVectorize(3, ['scope'])
    const config = { ...testCtx().config }
    config.ai = { ...config.ai, vectors: 'vectorize' }
    return {
      settle: () => index.settle(),
      make: async () => {
        const person = await makePerson({ config })
        const { EVENTS } = person.env
        return { ...person, env: { EVENTS, VECTORIZE: index } as unknown as Env }
      },
    }
  },
}

async function storeOf(person: Person) {
  const store = await vectorStore(person)
  if (!store) throw new Error('no store')
  return store
}

const row = (id: string, vector: number[], more = {}) => ({ id, kind: KIND, space: SPACE, vector, ...more })
const near = (vector: number[], more = {}) => ({ kind: KIND, space: SPACE, vector, limit: 10, minScore: 0.5, ...more })
const ids = (matches: { id: string }[]) => matches.map(({ id }) => id)

describe.each(Object.entries(scenes))('vectors in %s', (_, makeScene) => {
  test('the nearest come first, with their cosine and what was kept with them', async () => {
    const { settle, make } = makeScene()
    const store = await storeOf(await make())
    await store.upsert([
      row('far', [-1, 0, 0]),
      row('near', [1, 1, 0]),
      row('same', [2, 0, 0], { meta: { frame: 'f' } }),
    ])
    settle()
    const matches = await store.query(near([1, 0, 0]))
    expect(ids(matches)).toEqual(['same', 'near'])
    expect(matches[0]).toMatchObject({ meta: { frame: 'f' } })
    expect(matches.map(({ score }) => Math.round(score * 1000))).toEqual([1000, 707])
    expect(ids(await store.query(near([1, 0, 0], { limit: 1 })))).toEqual(['same'])
    expect(ids(await store.query(near([1, 0, 0], { minScore: 0.8 })))).toEqual(['same'])
    expect(await store.query(near([0, 0, 1]))).toEqual([])
  })

  test('what is kept again replaces what was there, and twice in one call is the last', async () => {
    const { settle, make } = makeScene()
    const store = await storeOf(await make())
    await store.upsert([row('a', [1, 0, 0])])
    await store.upsert([row('a', [0, 0, 1]), row('a', [0, 1, 0], { meta: { v: '2' } })])
    settle()
    expect(await store.query(near([1, 0, 0]))).toEqual([])
    expect(await store.query(near([0, 1, 0]))).toMatchObject([{ id: 'a', meta: { v: '2' } }])
  })

  test('kinds and spaces are never mixed', async () => {
    const { settle, make } = makeScene()
    const store = await storeOf(await make())
    await store.upsert([
      row('a', [1, 0, 0]),
      row('a', [1, 0, 0], { kind: 'memory' }),
      row('b', [1, 0, 0], { space: 'm2' }),
    ])
    settle()
    expect(ids(await store.query(near([1, 0, 0])))).toEqual(['a'])
    expect(ids(await store.query(near([1, 0, 0], { kind: 'memory' })))).toEqual(['a'])
    expect(ids(await store.query(near([1, 0, 0], { space: 'm2' })))).toEqual(['b'])
    await store.remove({ kind: KIND, ids: ['a'] })
    settle()
    expect(ids(await store.query(near([1, 0, 0])))).toEqual([])
    expect(ids(await store.query(near([1, 0, 0], { kind: 'memory' })))).toEqual(['a'])
    await store.upsert([row('b', [1, 0, 0])])
    settle()
    expect(await store.query(near([1, 0, 0], { space: 'm2' }))).toEqual([])
  })

  test("another person's vectors are not found, not replaced and not removed", async () => {
    const { settle, make } = makeScene()
    const [owner, stranger] = [await make(), await make()]
    const [mine, theirs] = [await storeOf(owner), await storeOf(stranger)]
    await mine.upsert([row('a', [1, 0, 0])])
    settle()
    expect(await theirs.query(near([1, 0, 0], { minScore: -1 }))).toEqual([])
    await theirs.upsert([row('a', [0, 1, 0])])
    await theirs.remove({ kind: KIND, ids: ['a'] })
    await theirs.remove({})
    settle()
    expect(ids(await mine.query(near([1, 0, 0])))).toEqual(['a'])
  })

  test('what was removed is gone at once, one by one, by kind and altogether', async () => {
    const { settle, make } = makeScene()
    const store = await storeOf(await make())
    const all = ['a', 'b', 'c'].map((id) => row(id, [1, 0, 0]))
    await store.upsert([...all, row('m', [1, 0, 0], { kind: 'memory' })])
    settle()
    await store.remove({ kind: KIND, ids: ['a', 'nothing'] })
    expect(ids(await store.query(near([1, 0, 0]))).sort()).toEqual(['b', 'c'])
    await store.remove({ kind: KIND })
    await store.remove({ kind: KIND, ids: [] })
    expect(await store.query(near([1, 0, 0]))).toEqual([])
    expect(ids(await store.query(near([1, 0, 0], { kind: 'memory' })))).toEqual(['m'])
    await store.remove({})
    expect(await store.query(near([1, 0, 0], { kind: 'memory' }))).toEqual([])
  })

  test('thousands at a time are kept and removed', async () => {
    const { settle, make } = makeScene()
    const store = await storeOf(await make())
    await store.upsert(Array.from({ length: 1100 }, (_, i) => row(`r${i}`, [1, i + 1, 0])))
    settle()
    expect(await store.query(near([1, 0, 0], { limit: 100, minScore: -1 }))).toHaveLength(100)
    await store.remove({ kind: KIND })
    settle()
    expect(await store.query(near([1, 0, 0], { minScore: -1 }))).toEqual([])
  })

  test('what could not be kept or compared is refused before it is sent', async () => {
    const store = await storeOf(await makeScene().make())
    const bad: [string, ReturnType<typeof row>][] = [
      ['no direction', row('a', [0, 0, 0])],
      ['no number', row('a', [1, Number.NaN, 0])],
      ['no end', row('a', [1, Number.POSITIVE_INFINITY, 0])],
      ['no dimension', row('a', [])],
      [
        'too many dimensions',
        row(
          'a',
          Array.from({ length: 1537 }, () => 1),
        ),
      ],
      ['a long id', row('x'.repeat(41), [1, 0, 0])],
      ['no id', row('', [1, 0, 0])],
      ['no kind', row('a', [1, 0, 0], { kind: 'A b' })],
    ]
    for (const [what, one] of bad) await expect(store.upsert([one]), what).rejects.toThrow(/vector/)
    await expect(store.query(near([0, 0, 0]))).rejects.toThrow(/direction/)
    for (const limit of [0, 101, 1.5]) await expect(store.query(near([1, 0, 0], { limit }))).rejects.toThrow(/1 to 100/)
  })

  test('an ended session reads and writes none', async () => {
    const person = await makeScene().make()
    const store = await storeOf(person)
    await store.upsert([row('a', [1, 0, 0])])
    await revoke(person)
    await expect(store.upsert([row('b', [1, 0, 0])])).rejects.toThrow()
    await expect(store.remove({})).rejects.toThrow()
  })

  test('an erased person leaves nothing, however often that is told', async () => {
    const { settle, make } = makeScene()
    const person = await make()
    await (await storeOf(person)).upsert([row('a', [1, 0, 0]), row('b', [1, 0, 0])])
    settle()
    const { userId } = person.actor
    expect(await countVectors(person, userId)).toBe(2)
    await person.db.delete(users).where(eq(users.id, userId))
    expect(await countVectors(person, (await make()).actor.userId)).toBe(0)
    await sweepErased(person)
    await sweepErased(person)
    settle()
    const another = await make()
    await (await storeOf(another)).upsert([row('a', [1, 0, 0])])
    settle()
    await eraseVectors(another, another.actor.userId)
    settle()
    expect(await countVectors(another, another.actor.userId)).toBe(0)
    const left = await person.db.select().from(embeddings).where(isNull(embeddings.userId))
    expect(left).toEqual([])
    const index = person.config.ai.vectors === 'vectorize' ? person.env.VECTORIZE : undefined
    expect(index && 'ids' in index && typeof index.ids === 'function' ? index.ids() : []).toEqual([])
  })
})

test('vectors of another length than asked for are not found, and nothing fails of it', async () => {
  const store = await storeOf(await makePerson())
  await store.upsert([row('two', [1, 0]), row('three', [1, 0, 0])])
  expect(ids(await store.query(near([1, 0, 0])))).toEqual(['three'])
  expect(ids(await store.query(near([1, 0])))).toEqual(['two'])
})

test('where the binding is missing there is no store, and readiness says so', async () => {
  const person = await makePerson()
  const config = { ...person.config, ai: { ...person.config.ai, vectors: 'vectorize' as const } }
  const ctx = { ...person, config, env: {} as Env }
  expect(await vectorStore(ctx)).toBeNull()
  expect(await vectorHealth(ctx)).toMatchObject({ status: 'off', provider: 'vectorize' })
  expect(await vectorHealth(person)).toEqual({ status: 'ok', provider: 'pgvector', detail: 'in the database' })
})

test('on a Postgres without the extension there is no store; what it lacks is said once a minute', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const { person } = server
    person.meter.trips = 0
    expect(await vectorStore(person)).toBeNull()
    expect(await vectorHealth(person)).toMatchObject({ status: 'off', detail: 'this database has no extension vector' })
    expect(person.meter.trips).toBe(1)
    expect(await person.db.select().from(embeddings).where(eq(embeddings.kind, KIND))).toEqual([])
  } finally {
    await server.close()
  }
})
