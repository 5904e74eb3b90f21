import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { listEffects, realEffects } from '#effects'
import { effects } from '#effects/tables'
import { makePerson, type Person } from '#test/database'
import { closeTurn } from './close.ts'
import { createConversation } from './conversations.ts'
import { openTurn } from './open.ts'
import { messages } from './tables.ts'
import { toolsFor } from './tools.ts'
import { runTurn } from './turn.ts'

const MAIL = { to: ['ada@example.com'], subject: 'Friday', text: 'At nine?' }

async function act(person: Person, kind: string, input: object) {
  const asked = { kind, input, key: person.newId('req'), origin: { kind: 'api' as const }, tainted: false }
  await realEffects(person).perform({ ...asked, isAgreed: true })
}
async function open(person: Person, conversationId: string, text: string, confirms: string[] = []) {
  const ids = { turnId: person.newId('turn'), questionId: person.newId('msg'), answerId: person.newId('msg') }
  return await openTurn(person, { ...ids, conversationId, text, confirms })
}

/** What the offline model answers, and the call it asked about. */
async function say(person: Person, conversationId: string, text: string, confirms: string[] = []) {
  const opened = await open(person, conversationId, text, confirms)
  const result = await runTurn(person, opened, { signal: new AbortController().signal, emit: () => undefined })
  const message = await closeTurn(person, opened.answer.id, result)
  const parts = message?.parts ?? []
  const said = parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('')
  const asked = parts.flatMap((part) => (part.type === 'tool_result' && part.isError ? part.callId : []))
  const outputs = parts.flatMap((part) => (part.type === 'tool_result' && part.isError ? part.output : []))
  const [{ about = [] } = {}] = outputs as { about?: object[] }[]
  return { said, asked, about, codes: outputs.map((output) => (output as { code: string }).code) }
}
const states = async (person: Person) =>
  (await listEffects(person, { limit: 10 })).items.map(({ kind, status }) => `${kind} ${status}`)

test('"undo everything in the last hour" shows what it would take back, and takes it back at the tap alone', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, { title: 'x' })
  await act(person, 'create_task', { title: 'Pay rent' })
  await act(person, 'send_mail', MAIL)
  const first = await say(person, id, 'undo everything you did in the last hour')
  expect(first.said).toMatch(/^I would undo 2 things .*Pay rent.*Shall I\?$/s)
  expect(first.asked).toHaveLength(1)
  const word = await say(person, id, 'yes')
  expect(word.said).toMatch(/confirm that with a tap/)
  expect(await states(person)).toEqual(['send_mail held', 'create_task done'])
  await act(person, 'create_task', { title: 'Done meanwhile' })
  const { said } = await say(person, id, 'yes', word.asked)
  expect(said).toMatch(/^Undone:.*Pay rent/s)
  expect(await states(person)).toEqual(['create_task done', 'send_mail cancelled', 'create_task undone'])
})

test('what is asked about is told by name, and of a stretch that has more the rest is asked about anew', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, { title: 'x' })
  for (let n = 1; n <= 27; n++) await act(person, 'create_task', { title: `Task ${n}` })
  const first = await say(person, id, 'undo everything you did in the last hour')
  expect(first.said).toMatch(/^I would undo 25 things .*There is more than this.*Shall I\?$/s)
  expect(first.about).toHaveLength(25)
  expect(first.about).toContainEqual(expect.objectContaining({ says: 'Create \u201cTask 27\u201d', tainted: false }))
  await say(person, id, 'yes', first.asked)
  const left = async () =>
    (await listEffects(person, { limit: 50, status: 'done' })).items.map(({ says }) => says.match(/\d+/)?.[0])
  expect(await left()).toEqual(['2', '1'])
  const rest = await say(person, id, 'undo everything you did in the last hour')
  expect(rest.said).toMatch(/^I would undo 2 things/)
  await say(person, id, 'yes', rest.asked)
  expect(await left()).toEqual([])
})

test('where others\u2019 words were read nothing is taken back from the conversation, and none is asked for a tap in it', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, { title: 'x' })
  await act(person, 'create_task', { title: 'Pay rent' })
  const before = await say(person, id, 'undo everything you did in the last hour')
  await person.db.update(messages).set({ tainted: true }).where(eq(messages.conversationId, id))
  const tapped = await say(person, id, 'yes', before.asked)
  expect(tapped.said).toContain('/v1/effects/undo')
  const asked = await say(person, id, 'undo everything you did in the last hour')
  expect(asked.said).toContain('/v1/effects/undo')
  expect(asked.codes).toEqual(['forbidden'])
  expect(await states(person)).toEqual(['create_task done'])
})

test('what others\u2019 words led to is not asked about in a conversation that reads of it only then', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, { title: 'x' })
  await act(person, 'create_task', { title: 'Pay rent' })
  await person.db.update(effects).set({ tainted: true }).where(eq(effects.userId, person.actor.userId))
  const { said, codes } = await say(person, id, 'undo everything you did in the last hour')
  expect(said).toContain('/v1/effects/undo')
  expect(codes).toEqual(['forbidden'])
})

test('a key is offered to take back what was done only within its scopes', async () => {
  const person = await makePerson()
  const { id } = await createConversation(person, { title: 'x' })
  const turn = await open(person, id, 'hi')
  const offered = (scopes: string[]) => {
    const key = { id: 'key_1', scopes, ratePerMinute: null }
    return toolsFor({ actor: { ...person.actor, key } }, turn).map(({ name }) => name)
  }
  expect(offered(['effects:read'])).toEqual(['list_effects'])
  expect(offered(['effects:write', 'conversations:read'])).toContain('undo_effects')
})
