import { z } from 'zod'
import { answer, body, cookies, createApp, personRoute, publicRoute, s } from '#core'
import { confirmTotp, enrolTotp, removeTotp, renewRecoveryCodes } from './authenticator-app.ts'
import { listFactors } from './factors.ts'
import {
  ChallengeAnswer,
  Factors,
  NewPasskey,
  Passkey,
  PasskeyCreation,
  PasskeyList,
  PasskeyPatch,
  PasskeyRequest,
  PasskeySignIn,
  RecoveryCodes,
  StepUp,
  TotpConfirmation,
  TotpSecret,
} from './factors-schema.ts'
import { handOver } from './hand-over.ts'
import { addPasskey, listPasskeys, offerPasskey, offerSignIn, removePasskey, renamePasskey } from './passkeys.ts'
import { Admitted, Renewed } from './schema.ts'
import { answerChallenge, signInWithPasskey } from './second-step.ts'
import { stepUp } from './step-up.ts'

const tags = ['Sign-in']
const description = 'Asks for a sign-in of the last five minutes: else 401 `step_up_required`.'
const passkeyId = z.strictObject({ id: s.id('psk') })
// A stored answer would hand out again what is shown or works once.
const idempotent = false

const challengeRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/challenge',
    operationId: 'answerChallenge',
    summary: 'End a sign-in that asked for a second factor',
    description: 'A challenge takes five tries. A recovery code works once, a code of an app once in its half minute.',
    tags,
    request: { headers: cookies.SessionHeader, body: body(ChallengeAnswer) },
    responses: { 200: answer(Admitted, 'A new session') },
  },
  { limit: 'signin', problems: [401, 503, 504] },
)
const signInOptionsRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/passkeys/sign-in/options',
    operationId: 'offerPasskeySignIn',
    summary: 'What a passkey is to sign',
    description: 'Also for a passkey shown as a second factor or for a step-up.',
    tags,
    responses: { 200: answer(PasskeyRequest, 'For `navigator.credentials.get`; works once, for five minutes') },
  },
  { limit: 'signin', problems: [503, 504] },
)
const signInRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/passkeys/sign-in',
    operationId: 'signInWithPasskey',
    summary: 'Sign in with a passkey, without a name',
    tags,
    request: { headers: cookies.SessionHeader, body: body(PasskeySignIn) },
    responses: { 200: answer(Admitted, 'A new session') },
  },
  { limit: 'signin', problems: [401, 503, 504] },
)
const stepUpRoute = personRoute(
  {
    method: 'post',
    path: '/auth/step-up',
    operationId: 'stepUp',
    summary: 'Show again who you are',
    description:
      'A new session, just signed in, takes the place of this one, which ends. With an authenticator app a password is not enough.',
    tags,
    request: { headers: cookies.SessionHeader, body: body(StepUp) },
    responses: { 200: answer(Renewed, 'The tokens of the new session') },
  },
  { limit: 'signin', idempotent },
)
const factorsRoute = personRoute({
  method: 'get',
  path: '/auth/factors',
  operationId: 'listFactors',
  summary: 'What this person can sign in with',
  tags,
  responses: { 200: answer(Factors, 'What there is') },
})
const enrolRoute = personRoute(
  {
    method: 'post',
    path: '/auth/totp',
    operationId: 'enrolTotp',
    summary: 'A secret for an authenticator app; it counts once confirmed',
    description,
    tags,
    responses: { 201: answer(TotpSecret, 'The secret, shown once') },
  },
  { idempotent, problems: [409] },
)
const confirmRoute = personRoute(
  {
    method: 'post',
    path: '/auth/totp/confirm',
    operationId: 'confirmTotp',
    summary: 'Confirm the authenticator app by a code: sign-ins ask for it from now on',
    description,
    tags,
    request: { body: body(TotpConfirmation) },
    responses: { 200: answer(RecoveryCodes, 'Ten recovery codes, shown once') },
  },
  { idempotent, problems: [404, 409] },
)
const removeRoute = personRoute(
  {
    method: 'delete',
    path: '/auth/totp',
    operationId: 'removeTotp',
    summary: 'Remove the authenticator app and its recovery codes',
    description,
    tags,
    responses: { 204: { description: 'Removed' } },
  },
  { problems: [404, 409] },
)
const codesRoute = personRoute(
  {
    method: 'post',
    path: '/auth/recovery-codes',
    operationId: 'renewRecoveryCodes',
    summary: 'Ten new recovery codes in place of the old ones',
    description,
    tags,
    responses: { 200: answer(RecoveryCodes, 'The codes, shown once') },
  },
  { idempotent, problems: [409] },
)
const offerRoute = personRoute(
  {
    method: 'post',
    path: '/auth/passkeys/options',
    operationId: 'offerPasskey',
    summary: 'What an authenticator needs to make a passkey',
    description,
    tags,
    responses: { 200: answer(PasskeyCreation, 'For `navigator.credentials.create`; works once, for five minutes') },
  },
  { idempotent },
)
const addRoute = personRoute(
  {
    method: 'post',
    path: '/auth/passkeys',
    operationId: 'addPasskey',
    summary: 'Add a passkey',
    description,
    tags,
    request: { body: body(NewPasskey) },
    responses: { 201: answer(Passkey, 'The passkey') },
  },
  { idempotent, problems: [409] },
)
const listRoute = personRoute({
  method: 'get',
  path: '/auth/passkeys',
  operationId: 'listPasskeys',
  summary: "This person's passkeys",
  tags,
  responses: { 200: answer(PasskeyList, 'All of them, newest first') },
})
const renameRoute = personRoute({
  method: 'patch',
  path: '/auth/passkeys/{id}',
  operationId: 'renamePasskey',
  summary: 'Rename a passkey',
  tags,
  request: { params: passkeyId, body: body(PasskeyPatch) },
  responses: { 200: answer(Passkey, 'The passkey, renamed') },
})
const dropRoute = personRoute(
  {
    method: 'delete',
    path: '/auth/passkeys/{id}',
    operationId: 'removePasskey',
    summary: 'Remove a passkey, unless it is the last way to sign in',
    description,
    tags,
    request: { params: passkeyId },
    responses: { 204: { description: 'Removed' } },
  },
  { problems: [409] },
)

export const secondStepApp = createApp()
  .openapi(challengeRoute, async (c) => c.json(handOver(c, await answerChallenge(c.var.ctx, c.req.valid('json'))), 200))
  .openapi(signInOptionsRoute, async (c) => c.json(await offerSignIn(c.var.ctx), 200))
  .openapi(signInRoute, async (c) => c.json(handOver(c, await signInWithPasskey(c.var.ctx, c.req.valid('json'))), 200))

export const factorsApp = createApp()
  .openapi(stepUpRoute, async (c) => c.json(handOver(c, await stepUp(c.var.ctx, c.req.valid('json'))), 200))
  .openapi(factorsRoute, async (c) => c.json(await listFactors(c.var.ctx), 200))
  .openapi(enrolRoute, async (c) => c.json(await enrolTotp(c.var.ctx), 201))
  .openapi(confirmRoute, async (c) => c.json(await confirmTotp(c.var.ctx, c.req.valid('json')), 200))
  .openapi(removeRoute, async (c) => {
    await removeTotp(c.var.ctx)
    return c.body(null, 204)
  })
  .openapi(codesRoute, async (c) => c.json(await renewRecoveryCodes(c.var.ctx), 200))
  .openapi(offerRoute, async (c) => c.json(await offerPasskey(c.var.ctx), 200))
  .openapi(addRoute, async (c) => c.json(await addPasskey(c.var.ctx, c.req.valid('json')), 201))
  .openapi(listRoute, async (c) => c.json({ items: await listPasskeys(c.var.ctx) }, 200))
  .openapi(renameRoute, async (c) =>
    c.json(await renamePasskey(c.var.ctx, c.req.valid('param').id, c.req.valid('json')), 200),
  )
  .openapi(dropRoute, async (c) => {
    await removePasskey(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
