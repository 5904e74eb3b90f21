import { Webhook } from 'standardwebhooks'
import { createAuthenticator } from './authenticator.ts'
import { askedToSign, confirmedApp, makeChallenges, passkeyOf, pendingApp } from './matrix-factors.ts'
import { awayFlow, backFlow, beginFlow } from './matrix-flows.ts'
import { DEFINITION, kindOf, makeEffect } from './matrix-objects.ts'
import { type Request, requestFor } from './matrix-requests.ts'
import { fillPath, type Operation } from './openapi-document.ts'
import { makeId, makeRefreshToken, PASSWORD, type Person, tokenHash, type World } from './world.ts'

/** A request this operation takes, on an object of this person's own where it names one, as far as schemas tell. */
export async function ownRequest(world: World, operation: Operation, owner: Person): Promise<Request> {
  const kind = kindOf(operation.path)
  // The operator's paths name people.
  if (!kind) return requestFor(world.document, operation, { usr: owner.userId, ses: owner.sessionId })
  const id = await kind.make(world, owner, 'mine')
  await kind.before?.[operation.operationId]?.(world, owner, id)
  return requestFor(world.document, operation, { [kind.prefix]: id })
}

/** A code of this kind as the mail would bear it, put there behind the API. */
export async function mailedCode(world: World, kind: string, { userId, email }: Pick<Person, 'userId' | 'email'>) {
  const token = `ac_${makeRefreshToken().slice(3)}`
  await world.query(
    `insert into auth_codes (id, kind, user_id, email, hash, expires_at) values ($1, $2, $3, $4, $5, now() + interval '15 minutes')`,
    [makeId('cod'), kind, userId, email, tokenHash(token)],
  )
  return token
}

/** For who was made behind the API. */
export async function firstPassword(world: World, owner: Person): Promise<void> {
  const { userId } = await world.person()
  await world.query(
    `insert into credentials (user_id, password_hash) select $1, password_hash from credentials where user_id = $2
      on conflict (user_id) do update set password_hash = excluded.password_hash`,
    [owner.userId, userId],
  )
}

/** The code of a registration, and the password that was chosen: that of somebody else, as it is kept. */
async function registrationCode(world: World) {
  const { userId } = await world.person()
  const [id, email, token] = [makeId('cod'), `p${makeId('usr')}@example.com`, `ac_${makeRefreshToken().slice(3)}`]
  await world.query(
    `insert into auth_codes (id, kind, email, hash, expires_at, registrant)
      select $1, 'register', $2, $3, now() + interval '15 minutes', json_build_object(
        'passwordHash', password_hash, 'displayName', 'Sam', 'timeZone', 'UTC', 'locale', 'en')
      from credentials where user_id = $4`,
    [id, email, tokenHash(token), userId],
  )
  return token
}

/** A job of a kind that nobody does. */
export async function makeJob(world: World, userId: string, status = 'done'): Promise<string> {
  const id = makeId('job')
  await world.query(
    `insert into jobs (id, queue, kind, owner, ref, key, status, max_attempts, ended_at)
      values ($1, 'analytics', 'test', $2, 'nothing', $1, $3, 1, now())`,
    [id, userId, status],
  )
  return id
}

type Wanted = Partial<Request['options']> & { search?: string; id?: string }

const RULES = { rules: [{ kind: 'create_task', workflowId: null, level: 'act_and_tell' }] }

/** The bodies and queries that no schema can tell. */
const WANTED: Record<string, (world: World, owner: Person) => Promise<Wanted>> = {
  setAutonomy: async () => ({ body: RULES }),
  resetAutonomy: async (_, owner) => {
    await owner.api('PUT', '/v1/autonomy', { body: RULES })
    return {}
  },
  register: async () => ({ body: { email: `p${makeId('usr')}@example.com`, password: PASSWORD, displayName: 'Sam' } }),
  login: async (world) => ({ body: { email: (await world.person()).email, password: PASSWORD } }),
  refresh: async (_, { refreshToken }) => ({ body: { refreshToken } }),
  answerChallenge: async (world, owner) => {
    const { next } = await confirmedApp(owner)
    return { body: { challenge: (await makeChallenges(world, owner, 1))[0], method: 'totp', code: next() } }
  },
  signInWithPasskey: async (world, owner) => {
    const device = await passkeyOf(world, owner)
    return { body: { response: device.get(await askedToSign(world)) } }
  },
  stepUp: async (_, owner) => ({ body: { method: 'totp', code: (await confirmedApp(owner)).next() } }),
  confirmTotp: async (_, owner) => ({ body: { code: (await pendingApp(owner))() } }),
  removeTotp: async (_, owner) => {
    await confirmedApp(owner)
    return {}
  },
  renewRecoveryCodes: async (_, owner) => {
    await confirmedApp(owner)
    return {}
  },
  addPasskey: async (world, owner) => {
    const options = JSON.parse((await owner.api('POST', '/v1/auth/passkeys/options')).text)
    return { body: { response: createAuthenticator(world.vars.PUBLIC_URL ?? '').create(options) } }
  },
  confirmRegistration: async (world) => ({ body: { token: await registrationCode(world), password: PASSWORD } }),
  confirmEmail: async (world, owner) => {
    await firstPassword(world, owner)
    return { body: { token: await mailedCode(world, 'verify', owner), password: PASSWORD } }
  },
  changePassword: async () => ({ body: { newPassword: PASSWORD } }),
  resetPassword: async (world, owner) => ({
    body: { token: await mailedCode(world, 'reset', owner), password: PASSWORD },
  }),
  signInByLink: async (world, owner) => ({ body: { token: await mailedCode(world, 'link', owner) } }),
  // An address of its own: one that many asked for is mailed no more for an hour.
  requestEmailChange: async () => ({ body: { email: `p${makeId('usr')}@example.com` } }),
  changeEmail: async (world, { userId }) => ({
    body: { token: await mailedCode(world, 'email', { userId, email: `p${makeId('usr')}@example.com` }) },
  }),
  leaveForProvider: async (world) => ({ search: `?flow=${await beginFlow(world)}` }),
  comeBackFromProvider: async (world) => {
    const { query, headers } = await awayFlow(world)
    return { search: `?${query}`, headers }
  },
  comeBackWithForm: async (world) => {
    const { query, headers } = await awayFlow(world)
    return { raw: query, headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' } }
  },
  exchangeProviderCode: async (world) => ({ body: await backFlow(world) }),
  linkIdentity: async (world, owner) => ({ body: await backFlow(world, {}, owner) }),
  setPersonPlan: async (_, { userId }) => ({ id: userId, body: { plan: 'free' } }),
  getJob: async (world, { userId }) => ({ id: await makeJob(world, userId) }),
  retryJob: async (world, { userId }) => ({ id: await makeJob(world, userId, 'dead') }),
  pauseJobQueue: async () => ({ body: { paused: false } }),
  redriveJobs: async () => ({ body: {} }),
  purgeJobs: async () => ({ body: { kind: 'of nobody' } }),
  setFeatureFlag: async () => ({ body: { name: makeId('flag'), enabled: true } }),
  updatePerson: async (_, { userId }) => ({ id: userId, body: { role: 'support' }, headers: { 'if-match': '*' } }),
  snoozeSuggestion: async (world, owner) => {
    const id = await kindOf('/v1/suggestions/{id}')?.make(world, owner, 'mine')
    return { id: id ?? '', body: { minutes: 60 } }
  },
  approveSuggestion: async (world, owner) => {
    const id = await kindOf('/v1/suggestions/{id}')?.make(world, owner, 'mine')
    return { id: id ?? '', body: {} }
  },
  setSignaturePolicy: async () => ({ body: { demand: false } }),
  bulkSchedules: async (world, owner) => {
    const id = await kindOf('/v1/schedules/{id}')?.make(world, owner, 'mine')
    return { body: { action: 'pause', ids: [id] } }
  },
  performEffect: async () => ({ body: { kind: 'create_task', input: { title: 'mine' } } }),
  previewEffect: async () => ({ body: { kind: 'create_task', input: { title: 'mine' } } }),
  undoEffects: async (world, owner) => ({ body: { id: await makeEffect(world, owner, 'mine') } }),
  endOtherSessions: async (world, owner) => {
    await kindOf('/v1/auth/sessions/{id}')?.make(world, owner, 'mine')
    return {}
  },
  registerDevice: async () => ({ body: { kind: 'fcm', name: 'Pixel', token: makeId('dev') } }),
  restoreMe: async (_, owner) => {
    await owner.api('DELETE', '/v1/me')
    return {}
  },
  createWorkflow: async () => ({ body: { name: 'plan', definition: DEFINITION } }),
  validateWorkflow: async () => ({ body: { definition: DEFINITION } }),
  updateWorkflow: async (world, owner) => ({
    id: await kindOf('/v1/workflows/{id}')?.make(world, owner, 'mine'),
    body: { definition: DEFINITION, params: {} },
    headers: { 'if-match': '*' },
  }),
  useWorkflowVersion: async (world, owner) => {
    const id = String(await kindOf('/v1/workflows/{id}')?.make(world, owner, 'mine'))
    const body = { definition: DEFINITION }
    await owner.api('PATCH', `/v1/workflows/${id}`, { body, headers: { 'if-match': '*' } })
    return { id, body: { version: 1 } }
  },
  createWorkflowFromTemplate: async () => ({ body: { template: 'morning_brief', params: { at: '07:15' } } }),
  callHook: async (world, owner) => {
    const id = String(await kindOf('/v1/workflows/{id}')?.make(world, owner, 'mine'))
    const { path, secret } = JSON.parse((await owner.api('POST', `/v1/workflows/${id}/hook-secret`)).text)
    const [at, name, raw] = [new Date(), makeId('evt'), '{"n":1}']
    const headers = {
      'content-type': 'application/json',
      'webhook-id': name,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(name, at, raw),
    }
    return { id: path.slice('/v1/hooks/'.length), raw, headers }
  },
  answerRun: async (world, owner) => ({
    id: await kindOf('/v1/runs/{id}')?.make(world, owner, 'mine'),
    body: { step: 'ask', answer: 'yes' },
  }),
  simulateWorkflow: async (world, owner) => ({
    id: await kindOf('/v1/workflows/{id}')?.make(world, owner, 'mine'),
    body: {},
  }),
  connectRealtime: async (_, owner) => {
    const { ticket } = JSON.parse((await owner.api('POST', '/v1/realtime/ticket')).text)
    return { search: `?ticket=${ticket}` }
  },
}

/** The same, with what only the verb behind it knows to ask for. */
export async function validRequest(world: World, operation: Operation, owner: Person): Promise<Request> {
  const wanted = await WANTED[operation.operationId]?.(world, owner)
  if (!wanted) return await ownRequest(world, operation, owner)
  const { search = '', id = '', ...options } = wanted
  return {
    method: operation.method,
    path: fillPath(operation.path, { id, provider: 'google', queue: 'analytics' }) + search,
    options,
  }
}
