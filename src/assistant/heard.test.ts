import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { suggestions } from '#proactivity/tables'
import { outbox } from '#queue/tables'
import { makeLearner } from '#test/suggestions'
import { closeTurn } from './close.ts'
import { createConversation } from './conversations.ts'
import { heardSubscriber, messageSaid } from './heard.ts'
import { openTurn, type TurnRequest } from './open.ts'

type Over = { isTainted?: boolean; isBackground?: boolean; isByKey?: boolean }

/** Whether what is offered for what was said in a turn is tainted; undefined: nothing is. */
async function offeredFor(text: string, { isTainted = false, isByKey = false, ...over }: Over = {}) {
  const { ctx } = await makeLearner('2026-11-23T10:00:00.000Z')
  const { id: conversationId } = await createConversation(ctx, { title: 'x' })
  const answerId = ctx.newId('msg')
  const ids = { turnId: ctx.newId('turn'), questionId: ctx.newId('msg'), answerId, conversationId }
  const request: TurnRequest = { ...ids, text, ...over }
  await openTurn(ctx, request)
  const result = { status: 'done' as const, parts: [], acts: [], isTainted, receipt: null, errorCode: null }
  const key = { id: 'key_1', scopes: ['conversations:write'], ratePerMinute: null }
  const asking = isByKey ? { ...ctx, actor: { ...ctx.actor, key } } : ctx
  await closeTurn(asking, answerId, { ...result, reason: null, overhead: null }, request)
  const { userId } = ctx.actor
  const told = await ctx.db.select().from(outbox).where(eq(outbox.userId, userId))
  const said = told.filter(({ type }) => type === messageSaid.type)
  const events = said.map((row) => ({ ...row, at: row.createdAt.toISOString() }))
  await heardSubscriber.handle({ ...ctx, actor: { kind: 'system' } }, events)
  const [offered] = await ctx.db.select().from(suggestions).where(eq(suggestions.userId, userId))
  return offered?.tainted
}

const PROMISE = "I'll send the report to Ana on Friday."

test('what a person says they will do is offered as their own', async () => {
  expect(await offeredFor(PROMISE)).toBe(false)
})

test('what was pasted is offered as led to by others', async () => {
  expect(await offeredFor(`${PROMISE} ${'From: Eve. Thanks. '.repeat(30)}`)).toBe(true)
})

test('so is what was said where others were read', async () => {
  expect(await offeredFor(PROMISE, { isTainted: true })).toBe(true)
})

test('so is what a program said for them, or a schedule', async () => {
  expect(await offeredFor(PROMISE, { isByKey: true })).toBe(true)
  expect(await offeredFor(PROMISE, { isBackground: true })).toBe(true)
})
