import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000
const WITHIN = { timeout: 20_000, interval: 100 }

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

const get = async (person: Person, path: string) => JSON.parse((await person.api('GET', path)).text)

/** Has a workflow of their own suggest something of this kind: the reason why it was not said, or null. */
async function suggest(person: Person, kind: string, title: string): Promise<string | null> {
  const definition = {
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null },
    suggestion: { kind, title, body: 'Now?', expiresMinutes: 60 },
    actions: [],
  }
  const made = JSON.parse((await person.api('POST', '/v1/workflows', { body: { name: title, definition } })).text)
  const asked = JSON.parse((await person.api('POST', `/v1/workflows/${made.id}/run`, { body: {} })).text)
  const ended = async () => (await get(person, `/v1/runs/${asked.runId}`)).run
  await expect.poll(async () => (await ended()).status, WITHIN).toBe('done')
  return (await ended()).reason
}

test('a kind that is muted for a part of the week is withheld in it, until what was said is forgotten', async () => {
  const person = await world.person()
  const free = { cooldownMinutes: 0, maxOpen: 20 }
  const patched = await person.api('PATCH', '/v1/suggestions/settings', { body: free, headers: { 'if-match': '*' } })
  expect(patched.status).toBe(200)
  // The days that they work, by the clock of whoever asks.
  const isWeekend = [0, 6].includes(new Date().getUTCDay())
  const [now, other] = isWeekend ? ['weekend', 'weekday'] : ['weekday', 'weekend']
  const say = async (edit: object) => {
    const answer = await person.api('PATCH', '/v1/learning', { body: { edits: [{ kind: 'finance', ...edit }] } })
    expect(answer.status).toBe(200)
    return JSON.parse(answer.text).items
  }
  expect(await say({ week: other, set: 'mute' })).toMatchObject([{ kind: 'finance', week: other, state: 'muted' }])
  expect(await suggest(person, 'finance', 'Look at your funds')).toBeNull()
  await say({ week: now, set: 'mute' })
  expect(await suggest(person, 'finance', 'Move the savings')).toBe('learned')
  expect(await suggest(person, 'garden', 'Water the roses')).toBeNull()
  const { items } = await get(person, '/v1/suggestions/withheld')
  expect(items).toMatchObject([{ title: 'Move the savings', reason: 'learned' }])
  expect((await person.api('DELETE', '/v1/learning')).status).toBe(204)
  expect((await get(person, '/v1/learning')).items).toEqual([])
  expect(await suggest(person, 'finance', 'Pay the invoice')).toBeNull()
})
