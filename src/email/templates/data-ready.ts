import { action, greeting, paragraph, shown, type Template } from '../component.ts'

/** `expires`: when the link ends, in words. */
export const dataReady: Template<{ name: string; url: string; expires: string }> = {
  subject: 'Your data is ready',
  perHour: 3,
  isRepeatable: true,
  body: ({ name, url, expires }) => [
    greeting(name),
    paragraph('The copy of your data that you asked for is ready.'),
    action('Get your data', url),
    paragraph(
      `The link works until ${shown(expires)}. If you did not ask for it, end your sessions and change your password.`,
    ),
  ],
}
