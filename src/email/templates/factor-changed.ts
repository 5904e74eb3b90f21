import { action, facts, greeting, paragraph, type Template } from '../component.ts'

/** `change` says what is different in how the person signs in, and never shows what they sign in with. */
export const factorChanged: Template<{
  name: string
  change: string
  agent: string
  place: string
  when: string
  url: string
}> = {
  subject: 'The way you sign in has changed',
  perHour: 30,
  isRepeatable: true,
  body: ({ name, change, agent, place, when, url }) => [
    greeting(name),
    paragraph('Something has changed in how your account is signed in to.'),
    facts([
      ['Change', change],
      ['Program', agent],
      ['Country', place],
      ['Time', when],
    ]),
    paragraph('If this was you, there is nothing to do. If not, end all sessions and change your password.'),
    action('Open Aurelius', url),
  ],
}
