import { action, facts, greeting, paragraph, type Template } from '../component.ts'

type Data = { name: string; provider: string; address: string; when: string; url: string }

function template(subject: string, said: string, remedy: string): Template<Data> {
  return {
    subject,
    perHour: 10,
    isRepeatable: true,
    body: ({ name, provider, address, when, url }) => [
      greeting(name),
      paragraph(said),
      facts([
        ['Account', provider],
        ['Address there', address],
        ['Time', when],
      ]),
      paragraph(remedy),
      action('Open Aurelius', url),
    ],
  }
}

export const identityLinked = template(
  'A new way to sign in was added',
  'Whoever has this account can sign in as you from now on.',
  'If this was not you, unlink it, end your sessions and change your password.',
)
export const identityUnlinked = template(
  'A way to sign in was removed',
  'This account does not sign in as you any more.',
  'If this was not you, end your sessions and change your password.',
)
