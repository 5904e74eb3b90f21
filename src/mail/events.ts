import { defineEvent } from '#core'
import { MailDraft } from './schema.ts'

export const draftCreated = defineEvent('mail_draft.created', 'mail', MailDraft)
/** It was sent, or brought back. */
export const draftUpdated = defineEvent('mail_draft.updated', 'mail', MailDraft)
export const draftDeleted = defineEvent('mail_draft.deleted', 'mail', MailDraft)
