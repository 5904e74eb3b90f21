import { action, greeting, paragraph, shown, type Template } from '../component.ts'
import { unconfirmed } from './unconfirmed.ts'

/** `expires`: when the link ends, in words. */
export const passwordReset: Template<{ name: string; url: string; expires: string; unconfirmed?: boolean }> = {
  subject: 'Choose a new password',
  perHour: 5,
  isRepeatable: true,
  body: ({ name, url, expires, unconfirmed: isFirst }) => [
    greeting(name),
    paragraph(
      'Somebody, probably you, asked to choose a new password. It signs you out everywhere and ends your API keys.',
    ),
    ...unconfirmed(isFirst),
    action('Choose a new password', url),
    paragraph(`The link works once, until ${shown(expires)}. If you did not ask for it, nothing changes.`),
  ],
}
