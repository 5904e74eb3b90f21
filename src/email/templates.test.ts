import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COLORS, render, type Template } from './component.ts'
import { Content } from './message.ts'
import { TEMPLATES } from './templates/all.ts'

const LINK = 'https://app.example.com/go?token=a&b="<x>'
const LINK_AS_SENT = 'https://app.example.com/go?token=a&b=%22%3Cx%3E'
const DATA = {
  name: 'Sam',
  url: LINK,
  expires: '12:30',
  when: 'Monday',
  device: 'phone',
  agent: 'Firefox',
  place: 'DE',
  key: 'CI',
  scopes: 'tasks',
  change: 'The password was changed.',
  provider: 'Google',
  address: 'sam@gmail.com',
  title: 'Call the dentist',
  details: 'before noon',
  items: ['Call the dentist', 'Pay the rent'],
  unconfirmed: true,
}
// Every template takes a part of these.
const ALL = Object.entries(TEMPLATES) as unknown as [string, Template<typeof DATA>][]
const HOSTILE = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' style='x",
    '</style><iframe>',
    'Sam\r\nBcc: eve@example.com',
    '&lt;b&gt;',
    '\u202eevil',
  ),
)

describe.each(ALL)('%s', (_, template) => {
  test('says its link, as text too, in both parts', () => {
    const { html, text } = render(template, DATA)
    expect(text).toContain(LINK_AS_SENT)
    const escaped = LINK_AS_SENT.replaceAll('&', '&amp;')
    expect(html.split(`href="${escaped}"`)).toHaveLength(3)
    expect(html).toContain(`>${escaped}</a>`)
  })

  test('is a document with a language and a title, whose layout is no table to a screen reader', () => {
    const { subject, html } = render(template, DATA)
    expect(html).toMatch(/^<!doctype html>\n<html lang="en"/)
    expect(html).toContain(`<title>${subject}</title>`)
    expect(html.match(/<h1/g)).toHaveLength(1)
    for (const [table] of html.matchAll(/<table[^>]*width="100%"[^>]*>/g))
      expect(table).toContain('role="presentation"')
    for (const [head] of html.matchAll(/<th\b[^>]*>/g)) expect(head).toContain('scope="row"')
    expect(html).toContain('prefers-color-scheme: dark')
  })

  test('loads nothing from anywhere', () => {
    const { html } = render(template, DATA)
    expect(html).not.toMatch(/<(img|link|script|iframe|object|video|audio|base|form)\b|@import|url\(|\bsrc=/i)
  })

  test('whatever it is given, the elements stay ours and the subject too', () => {
    const clean = render(template, DATA)
    const tagsOf = (html: string) => [...html.matchAll(/<\/?([a-z0-9]+)/gi)].map(([, name]) => name).join()
    const texts = Object.fromEntries(Object.keys(DATA).map((name) => [name, HOSTILE]))
    const hostile = fc.record({ ...texts, items: fc.tuple(HOSTILE, HOSTILE), unconfirmed: fc.constant(true) })
    fc.assert(
      fc.property(hostile, (given) => {
        const made = render(template, { ...DATA, ...given, url: LINK })
        expect(tagsOf(made.html)).toBe(tagsOf(clean.html))
        expect(made.subject).toBe(clean.subject)
        expect(made.html).not.toContain('\u202e')
        expect(Content.safeParse(made).success).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  test('a link to anything but a page is refused', () => {
    for (const url of ['javascript:alert(1)', 'data:text/html,x', 'not a url'])
      expect(() => render(template, { ...DATA, url })).toThrow()
  })
})

test.each(['visit evil.example now', 'https://evil.example', 'call me @eve', 'x'.repeat(61), ''])(
  'a name that could be a message is left out: %j',
  (name) => {
    const { text, html } = render(TEMPLATES.welcome, { name, url: LINK })
    expect(text).toContain('\n\nHello,\n\n')
    if (name) expect(html).not.toContain(name)
  },
)

test('every text has enough contrast with its ground, by day and by night', () => {
  const { light, dark, button } = COLORS
  const pairs = [light, dark].flatMap(({ ground, ...texts }) => Object.values(texts).map((text) => [ground, text]))
  for (const [a = '', b = ''] of [...pairs, [button.ground, button.text]]) expect(contrast(a, b)).toBeGreaterThan(4.5)
})

// WCAG 2.2: relative luminance of sRGB.
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

test.each([TEMPLATES.magic_link, TEMPLATES.password_reset])(
  'whose address nobody has confirmed is told what a link removes before they use it, nobody else',
  (template) => {
    const said = (unconfirmed: boolean) => render(template, { ...DATA, unconfirmed }).text.includes('passkeys')
    expect([said(true), said(false)]).toEqual([true, false])
  },
)
