import { action, greeting, paragraph, shown, type Template } from '../component.ts'

/** `change`: what happened to the account, in a sentence. */
export const accountChanged: Template<{ name: string; change: string; url: string }> = {
  subject: 'Your account was changed',
  perHour: 20,
  isRepeatable: true,
  body: ({ name, change, url }) => [
    greeting(name),
    paragraph(shown(change)),
    paragraph('If this was you, there is nothing to do. If not, choose a new password at once, and end all sessions.'),
    action('Open Aurelius', url),
  ],
}
