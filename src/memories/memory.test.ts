import { expect, test } from 'vitest'
import { makePerson, revoke } from '#test/database'
import {
  eraseForgotten,
  forget,
  getMemory,
  listMemories,
  memoriesForPrompt,
  recall,
  remember,
  updateMemory,
  wordsIn,
} from './memory.ts'

const fact = (text: string) => ({ text, kind: 'fact' as const })

test('remembering, correcting, forgetting and recalling are one trip each, with their events', async () => {
  const person = await makePerson()
  const memory = await remember(person, fact('Has a dog'))
  expect(memory).toMatchObject({ text: 'Has a dog', kind: 'fact', version: 1, sourceMessageId: null })
  const { before, after } = await updateMemory(person, memory.id, { text: 'Has two dogs' }, 1)
  expect([before.text, after.text, after.version]).toEqual(['Has a dog', 'Has two dogs', 2])
  expect((await forget(person, memory.id)).text).toBe('Has two dogs')
  await expect(getMemory(person, memory.id)).rejects.toMatchObject({ code: 'not_found' })
  expect((await recall(person, memory.id)).text).toBe('Has two dogs')
  expect(person.meter.trips).toBe(5)
  expect(person.sent.map((body) => JSON.stringify(body).replace(/.*\.(\d+\.memory\.\w+).*/, '$1'))).toEqual([
    '1.memory.created',
    '2.memory.updated',
    '3.memory.deleted',
    '4.memory.updated',
  ])
})

test('a stale version changes nothing', async () => {
  const person = await makePerson()
  const { id } = await remember(person, fact('a'))
  await updateMemory(person, id, { text: 'b' }, 1)
  await expect(updateMemory(person, id, { text: 'c' }, 1)).rejects.toMatchObject({ code: 'version_stale' })
  expect((await getMemory(person, id)).text).toBe('b')
})

test("another person's memory does not exist, and an ended session sees none", async () => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const { id } = await remember(owner, fact('secret'))
  const tries = [
    () => getMemory(stranger, id),
    () => forget(stranger, id),
    () => updateMemory(stranger, id, { text: 'x' }, '*'),
  ]
  for (const attempt of tries) await expect(attempt()).rejects.toMatchObject({ code: 'not_found' })
  await revoke(owner)
  await expect(listMemories(owner, { limit: 5 })).rejects.toThrow()
  await expect(remember(owner, fact('y'))).rejects.toThrow()
  await expect(forget(owner, owner.newId('mem'))).rejects.toThrow()
})

test('pages visit every memory once, newest first, and words narrow them', async () => {
  const person = await makePerson()
  for (let i = 0; i < 7; i++) await remember(person, fact(`memory ${i} ${i % 2 ? 'odd' : '100%'}`))
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await listMemories(person, { limit: 3, cursor })
    seen.push(...page.items.map(({ text }) => text))
    cursor = page.nextCursor ?? undefined
  } while (cursor)
  expect(seen.map((text) => text.split(' ')[1])).toEqual(['6', '5', '4', '3', '2', '1', '0'])
  expect((await listMemories(person, { limit: 10, text: '100%' })).items).toHaveLength(4)
})

test('a prompt is given preferences first, then what shares words with what was said', async () => {
  const person = await makePerson()
  await remember(person, fact('The dentist is Dr Molar'))
  for (let i = 0; i < 30; i++) await remember(person, fact(`filler number ${i}`))
  await remember(person, { text: 'Never before ten', kind: 'preference' })
  const chosen = await memoriesForPrompt(person, wordsIn('call the dentist tomorrow!'))
  expect(chosen.slice(0, 2).map(({ text }) => text)).toEqual(['Never before ten', 'The dentist is Dr Molar'])
  expect(chosen).toHaveLength(24)
  expect(await memoriesForPrompt(person, wordsIn('?? !!'))).toHaveLength(24)
})

test('many preferences leave room for what is spoken of', async () => {
  const person = await makePerson()
  await remember(person, fact('The dentist is Dr Molar'))
  for (let i = 0; i < 30; i++) await remember(person, { text: `Prefers thing ${i}`, kind: 'preference' })
  const chosen = await memoriesForPrompt(person, wordsIn('call the dentist'))
  expect(chosen).toHaveLength(24)
  expect(chosen.findIndex(({ text }) => text.includes('Molar'))).toBe(8)
})

test('what was forgotten long ago is erased for good, what was forgotten lately can still be recalled', async () => {
  const person = await makePerson()
  const { id } = await remember(person, fact('x'))
  await forget(person, id)
  await eraseForgotten(person)
  expect((await recall(person, id)).text).toBe('x')
})
