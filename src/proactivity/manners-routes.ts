import { answer, body, createApp, personRoute } from '#core'
import { recordAct } from '#database'
import { autonomyOf, setAutonomy } from './autonomy.ts'
import { AutonomyRules } from './autonomy-schema.ts'
import { editLearning, resetLearning, showLearning } from './beliefs.ts'
import { Learning, LearningPatch } from './learning-schema.ts'

const tags = ['Suggestions']

const allowed = personRoute({
  method: 'get',
  path: '/autonomy',
  operationId: 'getAutonomy',
  summary: 'What may be done without asking; of what is not named: ask',
  tags,
  responses: { 200: answer(AutonomyRules, 'The rules') },
})
const allow = personRoute({
  method: 'put',
  path: '/autonomy',
  operationId: 'setAutonomy',
  summary: 'Say what may be done without asking, by kind of effect and workflow',
  description:
    'The closest rule holds. What leaves the data of the person goes by a rule for exactly its kind, and to free it asks for a sign-in of the last five minutes: else 401 `step_up_required`. What text of others led to is always asked.',
  tags,
  request: { body: body(AutonomyRules) },
  responses: { 200: answer(AutonomyRules, 'The rules, all of them') },
})
const forbid = personRoute({
  method: 'delete',
  path: '/autonomy',
  operationId: 'resetAutonomy',
  summary: 'Have everything asked again',
  tags,
  responses: { 204: { description: 'No rule is left' } },
})
const learned = personRoute({
  method: 'get',
  path: '/learning',
  operationId: 'getLearning',
  summary: 'What is believed of what the person takes and dismisses, in words',
  tags,
  responses: { 200: answer(Learning, 'By kind and time') },
})
const teach = personRoute({
  method: 'patch',
  path: '/learning',
  operationId: 'updateLearning',
  summary: 'Say otherwise than what was learned, or have it forgotten',
  tags,
  request: { body: body(LearningPatch) },
  responses: { 200: answer(Learning, 'What is believed now') },
})
const unlearn = personRoute({
  method: 'delete',
  path: '/learning',
  operationId: 'resetLearning',
  summary: 'Forget all that was learned, and all that was said of it',
  tags,
  responses: { 204: { description: 'Forgotten' } },
})

/** How much is done unasked, and what was learned. */
export const mannersApp = createApp()
  .openapi(allowed, async (c) => c.json({ rules: await autonomyOf(c.var.ctx) }, 200))
  .openapi(allow, async (c) => c.json(await setAutonomy(c.var.ctx, c.req.valid('json')), 200))
  .openapi(forbid, async (c) => {
    await setAutonomy(c.var.ctx, { rules: [] })
    return c.body(null, 204)
  })
  .openapi(learned, async (c) => c.json(await showLearning(c.var.ctx), 200))
  .openapi(teach, async (c) => {
    const { userId } = c.var.ctx.actor
    const edits = c.req.valid('json')
    const changed = await editLearning(c.var.ctx, edits)
    await recordAct(c.var.ctx, { person: userId, target: 'learning', changes: { after: edits } })
    return c.json(changed, 200)
  })
  .openapi(unlearn, async (c) => {
    const { userId } = c.var.ctx.actor
    await resetLearning(c.var.ctx)
    await recordAct(c.var.ctx, { person: userId, target: 'learning' })
    return c.body(null, 204)
  })
