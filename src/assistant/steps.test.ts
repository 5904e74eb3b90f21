import { expect, test } from 'vitest'
import type { Ask, Settlement } from '#ai'
import { makePerson } from '#test/database'
import { createConversation } from './conversations.ts'
import { openTurn } from './open.ts'
import { runTurn } from './turn.ts'

test('a call is paid for while its tools run, and before the next one is asked', async () => {
  const person = await makePerson()
  const { id: conversationId } = await createConversation(person, { title: 'x' })
  const steward = person.env.STEWARD.getByName(person.actor.userId)
  const told: string[] = []
  const acted = Promise.withResolvers<void>()
  const watched = {
    ...steward,
    reserve: async (ask: Ask) => {
      told.push('reserved')
      return await steward.reserve(ask)
    },
    settle: async (settlement: Settlement) => {
      await acted.promise
      const settled = await steward.settle(settlement)
      told.push('settled')
      return settled
    },
  }
  const env = { ...person.env, STEWARD: { getByName: () => watched } } as unknown as Env
  const ids = { turnId: person.newId('turn'), questionId: person.newId('msg'), answerId: person.newId('msg') }
  const turn = await openTurn(person, { ...ids, conversationId, text: 'remember that I like coffee' })
  const signal = new AbortController().signal
  const emit = (event: string) => void (event === 'tool.finished' && acted.resolve())
  const { status, parts, bill } = await runTurn({ ...person, env }, turn, { signal, emit })
  await bill
  expect(status).toBe('done')
  expect(parts.map(({ type }) => type)).toEqual(['tool_call', 'tool_result', 'text'])
  expect(told).toEqual(['reserved', 'settled', 'reserved', 'settled'])
})
