import { LEARNING_MIGRATIONS, type LearningAsk, learning, type NewSuggestion } from '#proactivity'
import { makePerson, type Person } from './database.ts'
import { makeSteward, memorySql } from './steward.ts'

/** A person at a moment that can be moved on, whose Steward learns; `chance` is what every draw comes from. */
export async function makeLearner(at: string, { timeZone = 'UTC', chance = () => 0.5 } = {}) {
  const clock = { now: new Date(at) }
  const person: Person = await makePerson({ now: () => clock.now, timeZone })
  const sql = memorySql(LEARNING_MIGRATIONS)
  const armed: { name: string; dueMs: number; version: number }[] = []
  const steward = {
    ...makeSteward(() => clock.now.getTime()),
    learning: async (ask: LearningAsk) => learning(sql, ask, clock.now.getTime(), chance),
    arm: async (timers: typeof armed) => {
      armed.push(...timers)
      return { ok: true, armed: timers.length }
    },
    cancel: async (name: string) => {
      armed.splice(0, armed.length, ...armed.filter((timer) => timer.name !== name))
      return { ok: true, cancelled: true }
    },
  }
  const env = new Proxy(person.env, {
    get: (there, name) => (name === 'STEWARD' ? { getByName: () => steward } : Reflect.get(there, name)),
  })
  const pass = (minutes: number) => {
    clock.now = new Date(clock.now.getTime() + minutes * 60_000)
  }
  return { ctx: Object.assign(person, { env }), steward, armed, clock, pass }
}

export type Learner = Awaited<ReturnType<typeof makeLearner>>

let made = 0

/** A suggestion unlike any other, unless it is said otherwise. */
export function offer(over: Partial<NewSuggestion> = {}, now = new Date()): NewSuggestion {
  made += 1
  const title = `${WORDS[made % WORDS.length]} ${WORDS[(made * 7 + 3) % WORDS.length]} ${made}`
  return {
    key: `key ${made}`,
    kind: `kind_${made}`,
    title,
    body: '',
    actions: [],
    alternatives: [],
    why: { trigger: 'a test', facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null },
    confidence: 0.5,
    priority: 'important',
    expiresAt: new Date(now.getTime() + 86_400_000).toISOString(),
    source: { kind: 'system' },
    tainted: false,
    ...over,
  }
}

const WORDS = ['roses', 'invoice', 'dentist', 'garage', 'passport', 'violin', 'ladder', 'biscuit', 'harbour', 'lantern']

/** An act inside a person's own data. */
export const act = (id: string, over: object = {}) => ({
  ...{ id, kind: 'create_task', input: { title: id }, says: `Create ${id}`, outward: false, reversible: true },
  ...over,
})
