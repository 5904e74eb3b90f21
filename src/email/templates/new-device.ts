import { action, facts, greeting, paragraph, type Template } from '../component.ts'

/** `when` and `place` are written for the person who reads them. */
export const newDevice: Template<{
  name: string
  device: string
  agent: string
  place: string
  when: string
  url: string
}> = {
  subject: 'New sign-in to your account',
  perHour: 10,
  isRepeatable: true,
  body: ({ name, device, agent, place, when, url }) => [
    greeting(name),
    paragraph('Your account was signed in to from a device that was not seen before.'),
    facts([
      ['Device', device],
      ['Program', agent],
      ['Country', place],
      ['Time', when],
    ]),
    paragraph('If this was you, there is nothing to do. If not, end that session and change your password.'),
    action('Open Aurelius', url),
  ],
}
