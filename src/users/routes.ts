import { answer, body, createApp, etag, ifMatch, personRoute, versioned } from '#core'
import { getMe, updateMe } from './me.ts'
import { Me, MePatch, Preferences, PreferencesPatch } from './schema.ts'

const tags = ['Me']

const show = personRoute({
  method: 'get',
  path: '/me',
  operationId: 'getMe',
  summary: 'Who is signed in',
  tags,
  responses: { 200: versioned(Me, 'The person') },
})
const change = personRoute(
  {
    method: 'patch',
    path: '/me',
    operationId: 'updateMe',
    summary: 'Change name or preferences',
    tags,
    request: { body: body(MePatch) },
    responses: { 200: versioned(Me, 'The person, changed') },
  },
  { ifMatch: true },
)
const showPreferences = personRoute({
  method: 'get',
  path: '/me/preferences',
  operationId: 'getPreferences',
  summary: 'Time zone, locale, quiet hours, working hours, voice',
  tags,
  responses: { 200: versioned(Preferences, 'The preferences; the ETag is that of the person') },
})
const changePreferences = personRoute(
  {
    method: 'patch',
    path: '/me/preferences',
    operationId: 'updatePreferences',
    summary: 'Change some preferences',
    tags,
    request: { body: body(PreferencesPatch) },
    responses: { 200: answer(Preferences, 'The preferences, changed') },
  },
  { ifMatch: true },
)

export const app = createApp()
  .openapi(show, async (c) => {
    const me = await getMe(c.var.ctx)
    return c.json(me, 200, etag(me.version))
  })
  .openapi(change, async (c) => {
    const me = await ifMatch(c, (version) => updateMe(c.var.ctx, c.req.valid('json'), version))
    return c.json(me, 200, etag(me.version))
  })
  .openapi(showPreferences, async (c) => {
    const me = await getMe(c.var.ctx)
    return c.json(me.preferences, 200, etag(me.version))
  })
  .openapi(changePreferences, async (c) => {
    const me = await ifMatch(c, (version) => updateMe(c.var.ctx, { preferences: c.req.valid('json') }, version))
    return c.json(me.preferences, 200, etag(me.version))
  })
