import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Mail } from './message.ts'

const GOOD: Mail = {
  id: 'eml_01jd6w3k9q0123456789abcdef',
  to: 'sam@example.com',
  kind: 'welcome',
  subject: 'Hello',
  html: '<p>Hello</p>',
  text: 'Hello',
  headers: { 'X-Kind': 'test' },
}
const takes = (over: object) => Mail.safeParse({ ...GOOD, ...over }).success

// What ends a header, or hides something in one; each in any place of any text.
const BREAK = fc.constantFrom('\r', '\n', '\r\n', '\0', '\u000b', '\u001b', '\u007f', '\r\nBcc: all@example.com\r\n')
const around = (good: string) =>
  fc.tuple(fc.nat(good.length), BREAK).map(([at, bad]) => `${good.slice(0, at)}${bad}${good.slice(at)}`)
const inLine = (good: string) => around(good).filter((text) => /^\S/.test(text) && /\S$/.test(text))

test('a mail of ours is taken', () => {
  expect(takes({})).toBe(true)
  expect(takes({ to: 'sam+tag@mail.example.co.uk', subject: 'Gr\u00fc\u00dfe \u{1f44b}' })).toBe(true)
})

test('no field that becomes a header holds what could begin another one', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        inLine(GOOD.id).map((id) => ({ id })),
        around(GOOD.to).map((to) => ({ to })),
        inLine(GOOD.kind).map((kind) => ({ kind })),
        inLine(GOOD.subject).map((subject) => ({ subject })),
        around('X-Kind').map((name) => ({ headers: { [name]: 'test' } })),
        around('test').map((value) => ({ headers: { 'X-Kind': value } })),
      ),
      (over) => !takes(over),
    ),
    { numRuns: 2000 },
  )
})

test('whatever text is given, what is taken has one line in each header and can be encoded', () => {
  const any = fc.string({ unit: 'binary', maxLength: 80 })
  const hostile = fc.oneof(
    any,
    fc.tuple(any, BREAK, any).map((parts) => parts.join('')),
  )
  const fields = { to: hostile, kind: hostile, subject: hostile, name: hostile, value: hostile, text: hostile }
  fc.assert(
    fc.property(fc.record(fields), fc.constantFrom('to', 'kind', 'subject', 'headers'), (given, field) => {
      const headers = { [given.name]: given.value }
      const over = field === 'headers' ? { headers } : { [field]: given[field as 'to'] }
      const parsed = Mail.safeParse({ ...GOOD, ...over })
      if (!parsed.success) return true
      const { to, kind, subject, headers: taken } = parsed.data
      const lines = [to, kind, subject, ...Object.entries(taken).flat()]
      return lines.every((line) => !/[\u0000-\u001f\u007f]/.test(line) && line.isWellFormed())
    }),
    { numRuns: 2000 },
  )
})

test.each([
  `${'a'.repeat(65)}@example.com`,
  `a@${'b'.repeat(250)}.com`,
  'Sam <sam@example.com>',
  'sam@example.com, eve@example.com',
  'sam@example.com;eve@example.com',
  '"sam"@example.com',
  'sam(comment)@example.com',
  'sam@[127.0.0.1]',
  'sam@localhost',
  'sam',
  '',
])('%j is no address', (to) => {
  expect(takes({ to })).toBe(false)
})

test('a header of ours is none that a vendor or a transport writes', () => {
  for (const name of ['To', 'From', 'Bcc', 'Subject', 'Content-Type', 'Received', 'Reply-To', 'X-A:B', 'X-', 'X A'])
    expect(takes({ headers: { [name]: 'x' } }), name).toBe(false)
  expect(takes({ headers: { 'X-Long': 'x'.repeat(901) } })).toBe(false)
  expect(takes({ headers: { 'X-Accent': '\u00e9' } })).toBe(false)
})

test('a lone surrogate, which no encoding has, is refused in every part', () => {
  for (const part of ['subject', 'html', 'text']) expect(takes({ [part]: 'a\ud800b' })).toBe(false)
})
