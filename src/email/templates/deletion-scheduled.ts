import { action, greeting, paragraph, shown, type Template } from '../component.ts'

/** `when`: the day it will be done, in words. */
export const deletionScheduled: Template<{ name: string; when: string; url: string }> = {
  subject: 'Your account will be deleted',
  perHour: 3,
  isRepeatable: true,
  body: ({ name, when, url }) => [
    greeting(name),
    paragraph(
      `You asked us to delete your account and everything in it. That happens on ${shown(when)}, and cannot be undone.`,
    ),
    paragraph('Until then you can keep it.'),
    action('Keep my account', url),
    paragraph('If you did not ask for this, keep your account and change your password.'),
  ],
}
