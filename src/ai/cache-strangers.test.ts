import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Config, readConfig } from '#config'
import { vectorStore } from '#search'
import { makePerson, type Person } from '#test/database'
import { fakeVectorize } from '#test/vectorize'
import { cacheSubscriber, clearCache, findCached, keepCached } from './cache.ts'
import type { Call } from './call.ts'
import { cachedAnswers } from './tables.ts'

const TRIES = 500
const SECRET = 'the secret of the owner'
const QUESTIONS = ['Where is my spare key?', 'What do I owe my sister?', 'Who is my doctor?', 'What is my PIN for?']

// Everything means the same here: only whose it is stands between a question and an answer.
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { input }: { input: string[] } = JSON.parse(Buffer.concat(chunks).toString())
    response.end(JSON.stringify({ data: input.map((_, index) => ({ index, embedding: [1, 2, 3] })) }))
  })
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

// The same tries each time, so that a leak can be found again.
function chanceFrom(seed: number) {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return { next, pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T }
}

const SPELLS = [
  (x: string) => x,
  (x: string) => `${x} `,
  (x: string) => x.toUpperCase(),
  (x: string) => `${x}' or '1'='1`,
  (x: string) => `%${x.slice(0, 8)}%`,
  (x: string) => `${x}'; --`,
  (x: string) => `${x}\u200b`,
  (x: string) => x.replace('_', '\\_'),
  (x: string) => `{"${x}"}`,
  (x: string) => `') union select answer from cached_answers where ('${x}' = '${x}`,
  (x: string) => `${x}\n${x}`,
  (x: string) => x.slice(0, -1),
]

function callOf(text: string, more: { system?: string; sources?: string[]; model?: string } = {}): Call {
  return {
    kind: 'chat',
    feature: 'compat.openai',
    share: { sources: more.sources ?? ['mem_of_the_owner'] },
    ...(more.model !== undefined && { model: more.model }),
    request: {
      system: more.system ?? 'You know the owner.',
      volatileSystem: '',
      messages: [{ role: 'user', at: '2026-11-22T09:00:00.000Z', parts: [{ type: 'text', text }] }],
      tools: [],
      maxOutputTokens: 500,
    },
  }
}

const secret = (text: string) => ({
  text: `${SECRET}: ${text}`,
  provider: 'offline',
  model: 'offline-1',
  callId: 'aic_1',
})

async function placeOf(person: Person, call: Call) {
  const found = await findCached(person, call)
  if (found.state !== 'miss') throw new Error(found.reason)
  return found.place
}

const settings = (): Config =>
  readConfig({
    ...inject('vars'),
    EMBEDDINGS_PROVIDER: 'openai-compatible',
    EMBEDDINGS_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    EMBEDDINGS_MODEL: 'm=0/0',
    EMBEDDINGS_DIMENSIONS: '3',
  })

const stores: Record<string, () => (over?: object) => Promise<Person>> = {
  pgvector: () => {
    const config = settings()
    return () => makePerson({ config })
  },
  vectorize: () => {
    const index = fakeVectorize(3, ['scope'])
    const seenAtOnce = {
      ...index,
      upsert: async (vectors: VectorizeVector[]) => {
        const done = await index.upsert(vectors)
        index.settle()
        return done
      },
    }
    const config = settings()
    config.ai.vectors = 'vectorize'
    return async () => {
      const person = await makePerson({ config })
      return {
        ...person,
        env: { EVENTS: person.env.EVENTS, STEWARD: person.env.STEWARD, VECTORIZE: seenAtOnce } as unknown as Env,
      }
    }
  },
}

describe.each(Object.entries(stores))('with vectors in %s', (_, prepare) => {
  test(`another person's answers are asked for in ${TRIES} ways and never given, changed or forgotten`, async () => {
    const make = prepare()
    const [owner, stranger] = [await make(), await make()]
    const kept = await Promise.all(
      QUESTIONS.map(async (text) => {
        const place = await placeOf(owner, callOf(text))
        await keepCached(owner, place, secret(text))
        return { text, place }
      }),
    )
    const rows = await owner.db.select().from(cachedAnswers).where(eq(cachedAnswers.userId, owner.actor.userId))
    const answerIds = rows.map(({ id }) => id)
    const chance = chanceFrom(20_261_122)
    const leaks: unknown[] = []
    const counts: Record<string, number> = {}

    const attempt = async (way: string, work: () => Promise<unknown>) => {
      counts[way] = (counts[way] ?? 0) + 1
      // What a store refuses outright tells nothing either.
      const said = await work().catch((error: unknown) => (error instanceof Error ? error.message.slice(0, 200) : ''))
      const told = JSON.stringify(said ?? '')
      if (way !== 'place' && told.includes(SECRET)) leaks.push([way, told])
    }
    const spelled = (text: string) => chance.pick(SPELLS)(text)
    const mutated = (): Call => {
      const { text } = chance.pick(kept)
      return callOf(chance.next() < 0.5 ? text : spelled(text), {
        ...(chance.next() < 0.2 && { system: spelled('You know the owner.') }),
        ...(chance.next() < 0.3 && {
          sources: [
            chance.pick(['mem_of_the_owner', spelled('mem_of_the_owner'), chance.pick(answerIds), owner.actor.userId]),
          ],
        }),
        ...(chance.next() < 0.1 && { model: spelled('claude-haiku-5-5') }),
      })
    }
    const ways: Record<string, () => Promise<unknown>> = {
      ask: () => findCached(stranger, mutated()),
      'as somebody whose id looks like it': async () => {
        const userId = chance.pick(SPELLS.slice(1))(owner.actor.userId)
        const sessionId = chance.pick([null, stranger.actor.sessionId])
        return await findCached({ ...stranger, actor: { ...stranger.actor, userId, sessionId } }, mutated())
      },
      'in the session of a stranger': () =>
        findCached({ ...stranger, actor: { ...owner.actor, sessionId: stranger.actor.sessionId } }, mutated()),
      vectors: async () => {
        const store = await vectorStore(stranger)
        const space = chance.pick([chance.pick(kept).place.vector?.space ?? '', spelled('m'), ''])
        const found = await store?.query({ kind: 'answer', space, vector: [1, 2, 3], limit: 100, minScore: -1 })
        return found?.some(({ id }) => answerIds.includes(id)) ? poisoned.includes(space) || SECRET : 'nothing'
      },
      'vectors that name them': async () => {
        const space = chance.pick(kept).place.vector?.space ?? ''
        poisoned.push(space)
        const id = chance.pick(answerIds)
        await (await vectorStore(stranger))?.upsert([{ kind: 'answer', id, space, vector: [1, 2, 3] }])
        return await findCached(stranger, mutated())
      },
      place: async () => {
        const { place } = chance.pick(kept)
        const own = { ...place, key: spelled(place.key), text: spelled(place.text) }
        await keepCached(stranger, own, { ...secret(''), text: 'of the stranger' })
        const found = await findCached(stranger, callOf(place.text))
        if (JSON.stringify(found).includes(SECRET)) leaks.push(['place', found])
        await clearCache(stranger)
      },
      event: () =>
        cacheSubscriber.handle(stranger, [
          {
            id: 'e',
            type: 'memory.deleted',
            userId: stranger.actor.userId,
            room: null,
            key: chance.pick(['mem_of_the_owner', ...answerIds, spelled(owner.actor.userId)]),
            version: 1,
            data: {},
            at: '2026-11-22T09:00:00.000Z',
          },
        ]),
    }
    const poisoned: string[] = []
    for (let i = 0; i < TRIES; i++) {
      const way = chance.pick(Object.keys(ways))
      await attempt(way, ways[way] ?? (() => Promise.resolve()))
    }
    expect(leaks).toEqual([])
    expect(Object.values(counts).every((count) => count > TRIES / 20)).toBe(true)
    // The owner still has every one of them, and what was tried would find them, were it the owner who tried.
    for (const { text } of kept)
      expect(await findCached(owner, callOf(text))).toMatchObject({ state: 'exact', answer: secret(text) })
    const own = await (await vectorStore(owner))?.query({
      kind: 'answer',
      space: kept[0]?.place.vector?.space ?? '',
      vector: [1, 2, 3],
      limit: 100,
      minScore: -1,
    })
    expect(own).toHaveLength(QUESTIONS.length)
    let found = 0
    for (let i = 0; i < 40; i++) found += JSON.stringify(await findCached(owner, mutated())).includes(SECRET) ? 1 : 0
    expect(found).toBeGreaterThan(10)
  }, 120_000)
})
