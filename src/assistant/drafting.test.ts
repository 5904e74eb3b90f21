import { expect, test } from 'vitest'
import { makePerson, type Person } from '#test/database'
import { workflows } from '#workflows/tables'
import { closeTurn } from './close.ts'
import { createConversation } from './conversations.ts'
import { openTurn } from './open.ts'
import { runTurn } from './turn.ts'

/** Says it, and answers what was answered and what of workflows is kept then. */
async function talk(person: Person) {
  const { id: conversationId } = await createConversation(person, { title: 'x' })
  let asked: string[] = []
  /** `taps`: whatever was asked about by the answer before. */
  return async (text: string, taps = false) => {
    const questionId = person.newId('msg')
    const answerId = person.newId('msg')
    const ids = { turnId: person.newId('turn'), questionId, answerId }
    const opened = await openTurn(person, { ...ids, conversationId, text, confirms: taps ? asked : [] })
    const result = await runTurn(person, opened, { signal: new AbortController().signal, emit: () => undefined })
    const message = await closeTurn(person, answerId, result)
    asked = message?.parts.flatMap((part) => (part.type === 'tool_result' && part.isError ? part.callId : [])) ?? []
    const kept = await person.db.select().from(workflows)
    return {
      text: message?.text ?? '',
      names: kept.filter((row) => row.userId === person.actor.userId).map((row) => row.name),
    }
  }
}

test('a workflow is drafted, shown, and saved by a yes', async () => {
  const say = await talk(await makePerson())
  const drafted = await say(
    'Make a workflow that reminds me every 2 hours to drink water and creates a task to refill the jug',
  )
  expect(drafted.text).toContain(
    'Every 120 minutes: tell you \u201cDrink water\u201d, then create the task \u201cRefill the jug\u201d.',
  )
  expect(drafted.text).toContain('Shall I save it?')
  expect(drafted.names).toEqual([])
  expect((await say('yes')).names).toEqual([])
  const again = await say(
    'Make a workflow that reminds me every 2 hours to drink water and creates a task to refill the jug',
  )
  expect(again.names).toEqual([])
  const saved = await say('yes', true)
  expect(saved.text).toBe('Done: \u201cDrink water\u201d.')
  expect(saved.names).toEqual(['Drink water'])
})

test('a no saves nothing, and what was not understood is told', async () => {
  const say = await talk(await makePerson())
  await say('create a routine that pings me to stretch every hour')
  expect(await say('no')).toMatchObject({ names: [] })
  const { text, names } = await say('create a workflow that sells everything when the stock falls')
  expect(text).toContain('the stock falls')
  expect(names).toEqual([])
})

test('what only a workflow could do is drafted without the word, and what of it is not done is told', async () => {
  const say = await talk(await makePerson())
  expect((await say('every weekday at 8 tell me what is due')).text).toContain('Morning brief')
  expect((await say('no')).names).toEqual([])
  const { text } = await say('when three tasks are overdue and the next hour is free, suggest one')
  expect(text).toContain('Overdue triage')
  expect(text).toContain('I know nothing that does \u201cthe next hour is free\u201d.')
})
