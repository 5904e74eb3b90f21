import { action, greeting, paragraph, shown, type Template } from '../component.ts'
import { unconfirmed } from './unconfirmed.ts'

/** `expires`: when the link ends, in words. */
export const magicLink: Template<{ name: string; url: string; expires: string; unconfirmed?: boolean }> = {
  subject: 'Your link to sign in',
  perHour: 5,
  isRepeatable: true,
  body: ({ name, url, expires, unconfirmed: isFirst }) => [
    greeting(name),
    paragraph('Open this link where you want to be signed in.'),
    ...unconfirmed(isFirst),
    action('Sign in', url),
    paragraph(
      `It works once, until ${shown(expires)}. If you did not ask for it, ignore this mail; give nobody the link.`,
    ),
  ],
}
