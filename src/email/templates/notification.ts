import { action, greeting, paragraph, shown, type Template } from '../component.ts'

/** Of one thing that nobody has seen. */
export const notification: Template<{ name: string; title: string; details: string; url: string }> = {
  subject: 'Something is waiting for you',
  perHour: 20,
  isRepeatable: false,
  body: ({ name, title, details, url }) => [
    greeting(name),
    paragraph(shown(title)),
    paragraph(shown(details)),
    action('Open Aurelius', url),
  ],
}

/** Of all that came in an hour or a day. */
export const notificationDigest: Template<{ name: string; items: string[]; url: string }> = {
  subject: 'What came in the meantime',
  perHour: 3,
  isRepeatable: false,
  body: ({ name, items, url }) => [
    greeting(name),
    ...items.map((item) => paragraph(`\u2022 ${shown(item)}`)),
    action('Open Aurelius', url),
  ],
}
