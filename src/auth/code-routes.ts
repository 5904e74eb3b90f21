import { answer, body, cookies, createApp, personRoute, publicRoute } from '#core'
import { askMove, askVerification, confirmMove, confirmVerification } from './addresses.ts'
import { CONFIRM_PAGE, confirmPolicy } from './confirm-page.ts'
import { handOver } from './hand-over.ts'
import { askLink, confirmLink } from './magic-link.ts'
import { askReset, changePassword, confirmReset } from './passwords.ts'
import { confirmRegistration } from './register.ts'
import {
  AddressConfirm,
  Addressed,
  Admitted,
  Challenge,
  MagicLinkConfirm,
  MailedCode,
  Page,
  PasswordChange,
  PasswordResetConfirm,
  RegistrationConfirm,
} from './schema.ts'

const UNCONFIRMED =
  'Where nobody had confirmed the address before, all that opened the account or sent from it goes, as somebody else may have begun it.'
const tags = ['Sign-in']
type Options = NonNullable<Parameters<typeof publicRoute>[1]>
const MAILED = { 202: { description: 'Mail is on its way' } }
const MAILED_IF_KNOWN = { 202: { description: 'Mail is on its way, if somebody has this address' } }
const DONE = { 204: { description: 'Done' } }
// Whoever asks anonymously is told nothing; the code that was mailed is refused by 401.
const ASKED: Options = { limit: 'signin', problems: [503, 504] }
const CONFIRMED: Options = { limit: 'signin', problems: [401, 503, 504] }
// What is sent holds a password, or is answered by mail: nothing of it is kept.
const BY_PERSON: Options = { limit: 'signin', idempotent: false }

const registerRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/register/confirm',
    operationId: 'confirmRegistration',
    summary: 'Begin the account that was asked for, and sign in',
    description: 'Ten wrong passwords end the link.',
    tags,
    request: { headers: cookies.SessionHeader, body: body(RegistrationConfirm) },
    responses: { 201: answer(Admitted, 'The person and a first session') },
  },
  CONFIRMED,
)
const verifyRoute = personRoute(
  {
    method: 'post',
    path: '/auth/verify-email',
    operationId: 'requestEmailVerification',
    summary: 'Be mailed another link to confirm the address',
    tags,
    responses: MAILED,
  },
  { ...BY_PERSON, problems: [409] },
)
const confirmVerifyRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/verify-email/confirm',
    operationId: 'confirmEmail',
    summary: 'Confirm the address',
    description: 'Ten wrong passwords end the link.',
    tags,
    request: { body: body(AddressConfirm) },
    responses: DONE,
  },
  CONFIRMED,
)
const passwordRoute = personRoute(
  {
    method: 'post',
    path: '/auth/password',
    operationId: 'changePassword',
    summary: 'Change the password',
    description: 'Asks for a sign-in of the last five minutes and the current password; ends every other session.',
    tags,
    request: { body: body(PasswordChange) },
    responses: DONE,
  },
  BY_PERSON,
)
const resetRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/password-reset',
    operationId: 'requestPasswordReset',
    summary: 'Be mailed a link to choose a new password',
    tags,
    request: { body: body(Addressed) },
    responses: MAILED_IF_KNOWN,
  },
  ASKED,
)
const confirmResetRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/password-reset/confirm',
    operationId: 'resetPassword',
    summary: 'Choose a new password',
    description: `Ends every session and API key and signs nobody in: sign in with it, and with the second factor if there is one. ${UNCONFIRMED}`,
    tags,
    request: { body: body(PasswordResetConfirm) },
    responses: DONE,
  },
  CONFIRMED,
)
const linkRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/magic-link',
    operationId: 'requestMagicLink',
    summary: 'Be mailed a link that signs in',
    tags,
    request: { body: body(Addressed) },
    responses: MAILED_IF_KNOWN,
  },
  ASKED,
)
const confirmLinkRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/magic-link/confirm',
    operationId: 'signInByLink',
    summary: 'Sign in with a mailed link',
    description: UNCONFIRMED,
    tags,
    request: { headers: cookies.SessionHeader, body: body(MagicLinkConfirm) },
    responses: {
      200: answer(Admitted, 'A new session'),
      202: answer(Challenge, 'Right, and a second factor is needed'),
    },
  },
  CONFIRMED,
)
const moveRoute = personRoute(
  {
    method: 'post',
    path: '/auth/email',
    operationId: 'requestEmailChange',
    summary: 'Be mailed a code at a new address, to make it yours',
    description: 'Asks for a sign-in of the last five minutes. The old address is told.',
    tags,
    request: { body: body(Addressed) },
    responses: MAILED,
  },
  BY_PERSON,
)
const confirmMoveRoute = personRoute(
  {
    method: 'post',
    path: '/auth/email/confirm',
    operationId: 'changeEmail',
    summary: 'Make the new address yours',
    description: 'Takes the code mailed to it, from the person who asked for it alone.',
    tags,
    request: { body: body(MailedCode) },
    responses: DONE,
  },
  { ...BY_PERSON, problems: [409] },
)
const pageRoute = publicRoute({
  method: 'get',
  path: '/auth/confirm',
  operationId: 'confirmPage',
  summary: 'Where the links in mails lead',
  tags,
  responses: { 200: { description: 'A page', content: { 'text/html': { schema: Page } } } },
})

export const codesApp = createApp()
  .openapi(registerRoute, async (c) =>
    c.json(handOver(c, await confirmRegistration(c.var.ctx, c.req.valid('json'))), 201),
  )
  .openapi(verifyRoute, async (c) => {
    await askVerification(c.var.ctx)
    return c.body(null, 202)
  })
  .openapi(confirmVerifyRoute, async (c) => {
    await confirmVerification(c.var.ctx, c.req.valid('json'))
    return c.body(null, 204)
  })
  .openapi(passwordRoute, async (c) => {
    await changePassword(c.var.ctx, c.req.valid('json'))
    return c.body(null, 204)
  })
  .openapi(resetRoute, async (c) => {
    await askReset(c.var.ctx, c.req.valid('json'))
    return c.body(null, 202)
  })
  .openapi(confirmResetRoute, async (c) => {
    await confirmReset(c.var.ctx, c.req.valid('json'))
    return c.body(null, 204)
  })
  .openapi(linkRoute, async (c) => {
    await askLink(c.var.ctx, c.req.valid('json'))
    return c.body(null, 202)
  })
  .openapi(confirmLinkRoute, async (c) => {
    const admission = await confirmLink(c.var.ctx, c.req.valid('json'))
    return admission.kind === 'challenge' ? c.json(admission.answer, 202) : c.json(handOver(c, admission.answer), 200)
  })
  .openapi(moveRoute, async (c) => {
    await askMove(c.var.ctx, c.req.valid('json'))
    return c.body(null, 202)
  })
  .openapi(confirmMoveRoute, async (c) => {
    await confirmMove(c.var.ctx, c.req.valid('json'))
    return c.body(null, 204)
  })
  .openapi(pageRoute, (c) => c.html(CONFIRM_PAGE, 200, { 'Content-Security-Policy': confirmPolicy() }))
