import { action, greeting, paragraph, type Template } from '../component.ts'

export const accountExists: Template<{ name: string; url: string }> = {
  subject: 'You already have an account',
  perHour: 3,
  isRepeatable: true,
  body: ({ name, url }) => [
    greeting(name),
    paragraph('Somebody, probably you, tried to make an account with this address. It has one: sign in instead.'),
    paragraph('If you forgot your password, ask for a link to choose a new one. If this was not you, nothing changes.'),
    action('Open Aurelius', url),
  ],
}
