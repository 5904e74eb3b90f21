import { action, facts, greeting, paragraph, type Template } from '../component.ts'

/** `key` is how the key is called, never the key. */
export const keyCreated: Template<{ name: string; key: string; scopes: string; when: string; url: string }> = {
  subject: 'A new API key was made',
  perHour: 10,
  isRepeatable: true,
  body: ({ name, key, scopes, when, url }) => [
    greeting(name),
    paragraph('An API key was made for your account. Whoever holds it can act for you within its scopes.'),
    facts([
      ['Key', key],
      ['Scopes', scopes],
      ['Time', when],
    ]),
    paragraph('If this was not you, revoke the key and change your password.'),
    action('Open Aurelius', url),
  ],
}
