import { expect, test } from 'vitest'
import { hear } from '#commitments'
import { listSuggestions, propose, RUN_APPROVAL, suggestionTools } from '#proactivity'
import { listProjects } from '#tasks'
import { act, makeLearner, offer } from '#test/suggestions'
import { closeTurn } from './close.ts'
import { createConversation } from './conversations.ts'
import { openTurn } from './open.ts'
import { runTurn } from './turn.ts'

const MONDAY = '2026-11-23T10:00:00.000Z'

async function meet() {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const { id: conversationId } = await createConversation(ctx, { title: 'x' })
  let asked: string[] = []
  /** `taps`: whatever was asked about by the answer before. */
  const say = async (text: string, taps = false) => {
    const answerId = ctx.newId('msg')
    const ids = { turnId: ctx.newId('turn'), questionId: ctx.newId('msg'), answerId }
    const opened = await openTurn(ctx, { ...ids, conversationId, text, confirms: taps ? asked : [] })
    const result = await runTurn(ctx, opened, { signal: new AbortController().signal, emit: () => undefined })
    const message = await closeTurn(ctx, answerId, result)
    asked = message?.parts.flatMap((part) => (part.type === 'tool_result' && part.isError ? part.callId : [])) ?? []
    return message?.text ?? ''
  }
  return { ...learner, say }
}

test('what is suggested, promised and automated is told when it is asked for', async () => {
  const { ctx, clock, say } = await meet()
  expect(await say('any suggestions?')).toContain('no suggestion')
  expect(await say('what did I promise?')).toContain('nothing')
  expect(await say('show my workflows')).toContain('no workflows')
  await propose(ctx, offer({ title: 'Water the roses', actions: [act('one')] }, clock.now))
  expect(await say('any suggestions?')).toContain('Water the roses')
  const source = { kind: 'message' as const, id: ctx.newId('msg') }
  const quote = "I'll send the report to Ana on Friday"
  await hear(ctx, { text: quote, at: clock.now, source, made: [], tainted: false })
  expect(await say('what did I promise?')).toContain(quote)
  await say('make a workflow that reminds me every 2 hours to drink water')
  await say('yes', true)
  expect(await say('what workflows do I have?')).toContain('Drink water')
})

test('no tool says yes to a suggestion, and what waits for a tap is not turned down by words', async () => {
  const { ctx, clock } = await meet()
  expect(suggestionTools.map(({ name }) => name).filter((name) => name.includes('approve'))).toEqual([])
  const dismiss = suggestionTools.find(({ name }) => name === 'dismiss_suggestion')
  const approval = await propose(ctx, offer({ kind: RUN_APPROVAL }, clock.now))
  await expect(dismiss?.run(ctx, { id: approval.id })).rejects.toMatchObject({ code: 'forbidden' })
  const idea = await propose(ctx, offer({}, clock.now))
  await dismiss?.run(ctx, { id: idea.id })
  const open = (await listSuggestions(ctx, { open: true, limit: 10 })).items
  expect(open.map(({ id }) => id)).toEqual([approval.id])
})

test('of what somebody will do they are offered a task, with no apology', async () => {
  const { say } = await meet()
  const told = await say("I'll send the report to Ana on Friday")
  expect(told).toContain('Shall I add \u201cSend the report to Ana\u201d as a task?')
  expect(told).not.toContain('Sorry')
  expect(await say("I'll be there")).not.toContain('something you will do')
})

test('a project is deleted by its name, and one that is not there is told', async () => {
  const { ctx, say } = await meet()
  await say('create a project called Garden')
  expect(await say('delete the project Cellar')).toContain('Garden')
  await say('delete the project Garden')
  expect((await listProjects(ctx, { limit: 10 })).items).toHaveLength(1)
  await say('yes', true)
  expect((await listProjects(ctx, { limit: 10 })).items).toEqual([])
})
