import { z } from '@hono/zod-openapi'
import { answer, body, createApp, operatorRoute, personRoute, s } from '#core'
import { recordAct } from '#database'
import { requirePerson } from '#users'
import type { Account, BudgetSummary, Window } from './budget.ts'
import { cacheApp } from './cache-routes.ts'
import { readExperiments } from './experiments.ts'
import { Budget, BudgetInput, Decision, Experiments, ExperimentsQuery, PlanInput, Usage, UsageQuery } from './schema.ts'
import { changeBudget, readBudget, setOwnBudget } from './spending.ts'
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
  description: 'To be able to spend more asks for a sign-in of the last five minutes: else 401 `step_up_required`.',
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

const experimentsRoute = operatorRoute({
  method: 'get',
  path: '/admin/ai/experiments',
  operationId: 'listAiExperiments',
  summary: 'What came of the experiments with models, side by side',
  tags: ['Operations'],
  request: { query: ExperimentsQuery },
  responses: { 200: answer(Experiments, 'Each declared experiment') },
})
const planRoute = operatorRoute({
  method: 'put',
  path: '/admin/people/{id}/plan',
  operationId: 'setPersonPlan',
  summary: "Set a person's plan",
  tags: ['Operations'],
  request: { params: z.strictObject({ id: s.id('usr') }), body: body(PlanInput) },
  responses: { 200: answer(Budget, 'Their budget, changed') },
})

function shownWindow({ resetsAtMs, ...window }: Window) {
  return { ...window, resetsAt: new Date(resetsAtMs).toISOString() }
}

const shownAccount = ({ day, month }: Account) => ({ day: shownWindow(day), month: shownWindow(month) })

function shown({ plan, isPaused, own, background }: BudgetSummary): Budget {
  return { plan, isPaused, own: shownAccount(own), background: shownAccount(background) }
}

export const app = createApp()
  .openapi(usageRoute, async (c) => c.json(await readUsage(c.var.ctx, c.req.valid('query').period), 200))
  .openapi(budgetRoute, async (c) => {
    await requireLive(c.var.ctx)
    return c.json(shown(await readBudget(c.var.ctx)), 200)
  })
  .openapi(changeRoute, async (c) => {
    await requireLive(c.var.ctx)
    const changed = shown(await setOwnBudget(c.var.ctx, c.req.valid('json')))
    const { userId } = c.var.ctx.actor
    await recordAct(c.var.ctx, { person: userId, target: userId, changes: { after: c.req.valid('json') } })
    return c.json(changed, 200)
  })
  .openapi(decisionRoute, async (c) => c.json(await getDecision(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(experimentsRoute, async (c) => c.json(await readExperiments(c.var.ctx, c.req.valid('query').since), 200))
  .openapi(planRoute, async (c) => {
    const { id: userId } = c.req.valid('param')
    await requirePerson(c.var.ctx, userId)
    const actor = { kind: 'person' as const, userId, sessionId: null }
    const changed = shown(await changeBudget({ ...c.var.ctx, actor }, c.req.valid('json')))
    await recordAct(c.var.ctx, { person: userId, target: userId, changes: { after: c.req.valid('json') } })
    return c.json(changed, 200)
  })
  .route('/', cacheApp)
