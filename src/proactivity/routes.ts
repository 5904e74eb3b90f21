import { z } from '@hono/zod-openapi'
import { answer, body, createApp, etag, ifMatch, personRoute, s, versioned } from '#core'
import { approveSuggestion, dismissSuggestion, releaseSuggestion, seeSuggestion, snoozeSuggestion } from './decide.ts'
import { listSilences } from './gate.ts'
import { explainSuggestion, listSuggestions, listWithheld } from './list.ts'
import { mannersApp } from './manners-routes.ts'
import { readSuggestion } from './move.ts'
import {
  Approval,
  Dismissal,
  Settings,
  SettingsPatch,
  Silences,
  Snooze,
  Suggestion,
  SuggestionPage,
  SuggestionQuery,
  UndoneSuggestion,
  Why,
} from './schema.ts'
import { getSettings, setSettings } from './settings.ts'
import { undoSuggestion } from './undo.ts'

const tags = ['Suggestions']
const params = z.strictObject({ id: s.id('sug') })
const page = z.strictObject({ limit: s.limit, cursor: s.cursor })

const list = personRoute({
  method: 'get',
  path: '/suggestions',
  operationId: 'listSuggestions',
  summary: 'What was offered, newest first; with `open` what is to be decided, the best first',
  tags,
  request: { query: SuggestionQuery },
  responses: { 200: answer(SuggestionPage, 'A page') },
})
const withheld = personRoute({
  method: 'get',
  path: '/suggestions/withheld',
  operationId: 'listWithheldSuggestions',
  summary: 'What was thought of and not said, each with its reason',
  tags,
  request: { query: page },
  responses: { 200: answer(SuggestionPage, 'A page, newest first') },
})
const silences = personRoute({
  method: 'get',
  path: '/suggestions/silences',
  operationId: 'listSilences',
  summary: 'Where nothing was even thought of, and why',
  tags,
  responses: { 200: answer(Silences, 'By kind and workflow, the latest first') },
})
const showSettings = personRoute({
  method: 'get',
  path: '/suggestions/settings',
  operationId: 'getSuggestionSettings',
  summary: 'How much the person wants to hear',
  tags,
  responses: { 200: versioned(Settings, 'The settings') },
})
const changeSettings = personRoute(
  {
    method: 'patch',
    path: '/suggestions/settings',
    operationId: 'updateSuggestionSettings',
    summary: 'Hear more or less: limits, cooldowns, muted kinds',
    tags,
    request: { body: body(SettingsPatch) },
    responses: { 200: versioned(Settings, 'Changed') },
  },
  { ifMatch: true },
)
const show = personRoute({
  method: 'get',
  path: '/suggestions/{id}',
  operationId: 'getSuggestion',
  summary: 'One suggestion, and what became of it',
  tags,
  request: { params },
  responses: { 200: answer(Suggestion, 'The suggestion') },
})
const why = personRoute({
  method: 'get',
  path: '/suggestions/{id}/why',
  operationId: 'explainSuggestion',
  summary: 'Why it was thought of: what set it off, the facts, the parts of its score, the model',
  tags,
  request: { params },
  responses: { 200: answer(Why, 'The reasons') },
})
const seen = personRoute({
  method: 'post',
  path: '/suggestions/{id}/seen',
  operationId: 'seeSuggestion',
  summary: 'It was shown to the person',
  tags,
  request: { params },
  responses: { 200: answer(Suggestion, 'The suggestion') },
})
const approve = personRoute({
  method: 'post',
  path: '/suggestions/{id}/approve',
  operationId: 'approveSuggestion',
  summary: 'Yes: to all that is offered, or to what is named, changed or not',
  tags,
  request: { params, body: body(Approval) },
  responses: { 200: answer(Suggestion, 'Approved; what comes of it is told as it happens') },
})
const dismiss = personRoute({
  method: 'post',
  path: '/suggestions/{id}/dismiss',
  operationId: 'dismissSuggestion',
  summary: 'No: neither this nor what is like it for a while',
  tags,
  request: { params, body: body(Dismissal) },
  responses: { 200: answer(Suggestion, 'Dismissed') },
})
const snooze = personRoute({
  method: 'post',
  path: '/suggestions/{id}/snooze',
  operationId: 'snoozeSuggestion',
  summary: 'Later: it comes back by itself',
  tags,
  request: { params, body: body(Snooze) },
  responses: { 200: answer(Suggestion, 'Snoozed') },
})
const release = personRoute({
  method: 'post',
  path: '/suggestions/{id}/release',
  operationId: 'releaseSuggestion',
  summary: 'Say what was withheld',
  tags,
  request: { params },
  responses: { 200: answer(Suggestion, 'Offered') },
})
const undo = personRoute({
  method: 'post',
  path: '/suggestions/{id}/undo',
  operationId: 'undoSuggestion',
  summary: 'Take back all that came of it, the last first',
  tags,
  request: { params },
  responses: { 200: answer(UndoneSuggestion, 'What became of each act; undone where all of them are') },
})

export const app = createApp()
  .openapi(list, async (c) => c.json(await listSuggestions(c.var.ctx, c.req.valid('query')), 200))
  .openapi(withheld, async (c) => c.json(await listWithheld(c.var.ctx, c.req.valid('query')), 200))
  .openapi(silences, async (c) => c.json(await listSilences(c.var.ctx), 200))
  .openapi(showSettings, async (c) => {
    const found = await getSettings(c.var.ctx)
    return c.json(found, 200, etag(found.version))
  })
  .openapi(changeSettings, async (c) => {
    const changed = await ifMatch(c, (version) => setSettings(c.var.ctx, c.req.valid('json'), version))
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(show, async (c) => c.json(await readSuggestion(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(why, async (c) => c.json(await explainSuggestion(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(seen, async (c) => c.json(await seeSuggestion(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(approve, async (c) =>
    c.json(await approveSuggestion(c.var.ctx, c.req.valid('param').id, c.req.valid('json')), 200),
  )
  .openapi(dismiss, async (c) =>
    c.json(await dismissSuggestion(c.var.ctx, c.req.valid('param').id, c.req.valid('json')), 200),
  )
  .openapi(snooze, async (c) =>
    c.json(await snoozeSuggestion(c.var.ctx, c.req.valid('param').id, c.req.valid('json')), 200),
  )
  .openapi(release, async (c) => c.json(await releaseSuggestion(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(undo, async (c) => c.json(await undoSuggestion(c.var.ctx, c.req.valid('param').id), 200))
  .route('/', mannersApp)
