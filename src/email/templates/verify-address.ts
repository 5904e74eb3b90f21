import { action, greeting, paragraph, shown, type Template } from '../component.ts'

/** `expires`: when the link ends, in words. */
export const verifyAddress: Template<{ name: string; url: string; expires: string }> = {
  subject: 'Confirm your address',
  perHour: 5,
  isRepeatable: true,
  body: ({ name, url, expires }) => [
    greeting(name),
    paragraph('Confirm that this address is yours; the password you chose is asked for.'),
    action('Confirm this address', url),
    paragraph(`The link works once, until ${shown(expires)}. If you did not ask for it, ignore this mail.`),
  ],
}
