import { action, greeting, paragraph, type Template } from '../component.ts'

export const welcome: Template<{ name: string; url: string }> = {
  subject: 'Welcome to Aurelius',
  perHour: 3,
  isRepeatable: false,
  body: ({ name, url }) => [
    greeting(name),
    paragraph('Your account is ready. Tell Aurelius what to remember, what to do and when to remind you.'),
    action('Open Aurelius', url),
    paragraph('If you did not make this account, somebody used your address: you can ignore this mail.'),
  ],
}
