import { z } from '@hono/zod-openapi'
import { readBudget } from '#ai'
import { AdminAuditQuery, AuditPage, listAllAudit } from '#audit'
import { endSession, SessionList, sessionsOf } from '#auth'
import { AppError, answer, body, type Ctx, createApp, etag, ifMatch, operatorRoute, s, versioned } from '#core'
import { recordLooks } from '#database'
import { listCron } from './cron.ts'
import { listFlags, putFlag } from './flags.ts'
import { changePerson, getAccount, listPeople } from './people.ts'
import {
  Account,
  AccountPage,
  AccountPatch,
  AccountQuery,
  AccountWithPlan,
  CronRunList,
  Flag,
  FlagInput,
  FlagList,
} from './schema.ts'

const tags = ['Operations']
const person = z.strictObject({ id: s.id('usr') })
const TOLD = 'The look is told to the person, in their audit.'

const peopleRoute = operatorRoute({
  method: 'get',
  path: '/admin/people',
  operationId: 'listPeople',
  summary: 'Who has an account, without what is in it',
  description: TOLD,
  tags,
  request: { query: AccountQuery },
  responses: { 200: answer(AccountPage, 'A page, oldest first') },
})
const personRoute = operatorRoute({
  method: 'get',
  path: '/admin/people/{id}',
  operationId: 'getPerson',
  summary: 'One account: plan, state, counts',
  description: TOLD,
  tags,
  request: { params: person },
  responses: { 200: versioned(AccountWithPlan, 'The account') },
})
const changeRoute = operatorRoute(
  {
    method: 'patch',
    path: '/admin/people/{id}',
    operationId: 'updatePerson',
    summary: 'Disable an account or enable it again; give a role',
    description: 'Whoever is disabled is refused from the next request on; their sockets are closed.',
    tags,
    request: { params: person, body: body(AccountPatch) },
    responses: { 200: versioned(Account, 'The account, changed') },
  },
  { ifMatch: true },
)
const sessionsRoute = operatorRoute({
  method: 'get',
  path: '/admin/people/{id}/sessions',
  operationId: 'listSessionsOfPerson',
  summary: 'Where somebody is signed in',
  description: TOLD,
  tags,
  request: { params: person },
  responses: { 200: answer(SessionList, 'The newest hundred') },
})
const endRoute = operatorRoute({
  method: 'delete',
  path: '/admin/people/{id}/sessions/{sessionId}',
  operationId: 'endSessionOfPerson',
  summary: 'End a session of somebody',
  tags,
  request: { params: z.strictObject({ id: s.id('usr'), sessionId: s.id('ses') }) },
  responses: { 204: { description: 'Ended' } },
})
const flagsRoute = operatorRoute({
  method: 'get',
  path: '/admin/flags',
  operationId: 'listFeatureFlags',
  summary: 'What is tried out, and for whom',
  description: TOLD,
  tags,
  responses: { 200: answer(FlagList, 'By name') },
})
const flagRoute = operatorRoute({
  method: 'put',
  path: '/admin/flags',
  operationId: 'setFeatureFlag',
  summary: 'Turn something on or off, for all or for some',
  tags,
  request: { body: body(FlagInput) },
  responses: { 200: answer(Flag, 'The flag') },
})
const cronRoute = operatorRoute({
  method: 'get',
  path: '/admin/cron',
  operationId: 'listCron',
  summary: 'When each scheduled job last ran, and what came of it',
  tags,
  responses: { 200: answer(CronRunList, 'By name') },
})
const auditRoute = operatorRoute({
  method: 'get',
  path: '/admin/audit',
  operationId: 'listAllAudit',
  summary: 'What was done, by whom, to whom',
  description: TOLD,
  tags,
  request: { query: AdminAuditQuery },
  responses: { 200: answer(AuditPage, 'A page, newest first') },
})

// Support may help people, and lock out no staff.
async function requireBelow(ctx: Ctx, id: string): Promise<void> {
  const { actor } = ctx
  if (actor.kind === 'person' && actor.staff === 'support' && (await getAccount(ctx, id)).role !== 'person')
    throw new AppError('forbidden', 'Only an admin ends a session of staff')
}

/** For a verb that is asked as the person themselves. */
const actorOf = (userId: string) => ({ kind: 'person' as const, userId, sessionId: null })

export const app = createApp()
  .openapi(peopleRoute, async (c) => {
    const page = await listPeople(c.var.ctx, c.req.valid('query'))
    await recordLooks(
      c.var.ctx,
      page.items.map(({ id }) => id),
    )
    return c.json(page, 200)
  })
  .openapi(personRoute, async (c) => {
    const { id } = c.req.valid('param')
    const account = await getAccount(c.var.ctx, id)
    const { plan } = await readBudget({ ...c.var.ctx, actor: actorOf(id) })
    await recordLooks(c.var.ctx, [id])
    return c.json({ ...account, plan }, 200, etag(account.version))
  })
  .openapi(changeRoute, async (c) => {
    const { id } = c.req.valid('param')
    const account = await ifMatch(c, (version) => changePerson(c.var.ctx, id, c.req.valid('json'), version))
    return c.json(account, 200, etag(account.version))
  })
  .openapi(sessionsRoute, async (c) => {
    const { id } = c.req.valid('param')
    await getAccount(c.var.ctx, id)
    const items = await sessionsOf(c.var.ctx, id)
    await recordLooks(c.var.ctx, [id])
    return c.json({ items }, 200)
  })
  .openapi(endRoute, async (c) => {
    const { id, sessionId } = c.req.valid('param')
    await requireBelow(c.var.ctx, id)
    await endSession({ ...c.var.ctx, actor: actorOf(id) }, sessionId, 'revoked')
    return c.body(null, 204)
  })
  .openapi(flagsRoute, async (c) => {
    const items = await listFlags(c.var.ctx)
    await recordLooks(
      c.var.ctx,
      items.flatMap(({ people }) => people),
    )
    return c.json({ items }, 200)
  })
  .openapi(flagRoute, async (c) => c.json(await putFlag(c.var.ctx, c.req.valid('json')), 200))
  .openapi(cronRoute, async (c) => c.json({ items: await listCron(c.var.ctx) }, 200))
  .openapi(auditRoute, async (c) => {
    const page = await listAllAudit(c.var.ctx, c.req.valid('query'))
    await recordLooks(
      c.var.ctx,
      page.items.map(({ userId }) => userId).filter((id) => id !== 'service'),
    )
    return c.json(page, 200)
  })
