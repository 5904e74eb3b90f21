import { action, greeting, paragraph, shown, type Template } from '../component.ts'

/** `expires`: when the code ends, in words. */
export const newAddress: Template<{ name: string; url: string; expires: string }> = {
  subject: 'The code for your new address',
  perHour: 5,
  isRepeatable: true,
  body: ({ name, url, expires }) => [
    greeting(name),
    paragraph(
      'It was asked to make this the address of an account. If that was you, the page of this link shows a code:',
    ),
    action('Show the code', url),
    paragraph(
      `Enter it in the app you are signed in with, until ${shown(expires)}. If it was not you, ignore this mail; give nobody the code.`,
    ),
  ],
}
