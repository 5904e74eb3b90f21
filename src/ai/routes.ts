import { z } from '@hono/zod-openapi'
import { answer, body, createApp, personRoute, s } from '#core'
import type { Account, BudgetSummary, Window } from './budget.ts'
import { Budget, BudgetInput, Decision, Usage, UsageQuery } from './schema.ts'
import { changeBudget, readBudget } from './spending.ts'
import { getDecision, readUsage, requireLive } from './usage.ts'

const tags = ['AI']

const usageRoute = personRoute({
  method: 'get',
  path: '/ai/usage',
  operationId: 'getAiUsage',
  summary: 'What was spent on models, and on what',
  tags,
  request: { query: UsageQuery },
  responses: { 200: answer(Usage, 'The period, up to this moment') },
})
const budgetRoute = personRoute({
  method: 'get',
  path: '/ai/budget',
  operationId: 'getAiBudget',
  summary: 'What may be spent on models, was spent and is held',
  tags,
  responses: { 200: answer(Budget, 'The budget at this moment') },
})
const changeRoute = personRoute({
  method: 'put',
  path: '/ai/budget',
  operationId: 'setAiBudget',
  summary: 'Set lower limits, or stop all spending',
  tags,
  request: { body: body(BudgetInput) },
  responses: { 200: answer(Budget, 'The budget, changed') },
})
const decisionRoute = personRoute({
  method: 'get',
  path: '/ai/decisions/{id}',
  operationId: 'getAiDecision',
  summary: 'Why a call went to the model it went to',
  tags,
  request: { params: z.strictObject({ id: s.id('aic') }) },
  responses: { 200: answer(Decision, 'The decision') },
})

function shownWindow({ resetsAtMs, ...window }: Window) {
  return { ...window, resetsAt: new Date(resetsAtMs).toISOString() }
}

const shownAccount = ({ day, month }: Account) => ({ day: shownWindow(day), month: shownWindow(month) })

function shown({ plan, isPaused, own, background }: BudgetSummary): Budget {
  return { plan, isPaused, own: shownAccount(own), background: shownAccount(background) }
}

export const aiApp = createApp()
  .openapi(usageRoute, async (c) => c.json(await readUsage(c.var.ctx, c.req.valid('query').period), 200))
  .openapi(budgetRoute, async (c) => {
    await requireLive(c.var.ctx)
    return c.json(shown(await readBudget(c.var.ctx)), 200)
  })
  .openapi(changeRoute, async (c) => {
    await requireLive(c.var.ctx)
    return c.json(shown(await changeBudget(c.var.ctx, c.req.valid('json'))), 200)
  })
  .openapi(decisionRoute, async (c) => c.json(await getDecision(c.var.ctx, c.req.valid('param').id), 200))
