import type { Content } from './message.ts'

/** A piece of a mail, in both of its parts. */
export type Block = { html: string; text: string }

/** A mail of one kind, written for its data. */
export type Template<D> = {
  subject: string
  /** One address is sent at most so many an hour. */
  perHour: number
  /** Whether it is sent again when nobody knows if it went out: rather twice than never. */
  isRepeatable: boolean
  body(data: D): Block[]
}

/** Text on its ground, light and dark: each pair has a contrast of 4.5 or more. */
export const COLORS = {
  light: { ground: '#ffffff', text: '#1f2328', quiet: '#57606a', link: '#0a4fa3' },
  dark: { ground: '#16181d', text: '#e6e8eb', quiet: '#a5adb8', link: '#8ab8ff' },
  button: { ground: '#0a4fa3', text: '#ffffff' },
}

const MAX_SHOWN = 200
const { light, dark, button } = COLORS

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (value: string) => value.replace(/[&<>"']/g, (found) => ENTITIES[found] ?? '')

// One line, however it was given: a new one could pretend to be ours, and marks of direction turn ours around.
function oneLine(value: string): string {
  const line = value.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
  return [...line.trim()].slice(0, MAX_SHOWN).join('')
}

/** Words of ours: any data in them was cleaned by `shown`. */
export function paragraph(words: string): Block {
  return { html: `<p style="margin:0 0 16px">${escapeHtml(words)}</p>`, text: words }
}

/** Somebody's text within ours. */
export const shown = oneLine

// A name that links somewhere would make our mail carry anybody's message.
export function greeting(name: string): Block {
  const clean = oneLine(name)
  const isName = clean !== '' && clean.length <= 60 && !/[:/\\@]|\.\S/.test(clean)
  return paragraph(isName ? `Hello ${clean},` : 'Hello,')
}

/** A button, and its address as text for whoever would rather see where it leads. */
export function action(label: string, url: string): Block {
  const { protocol, href } = new URL(url)
  if (protocol !== 'https:' && protocol !== 'http:') throw new Error(`a mail does not link to ${protocol}`)
  const safe = escapeHtml(href)
  const style = `display:inline-block;padding:12px 20px;border-radius:6px;text-decoration:none;font-weight:600`
  return {
    html: `<p style="margin:0 0 16px"><a class="button" href="${safe}" style="${style};background:${button.ground};color:${button.text}">${escapeHtml(label)}</a></p>
<p class="quiet" style="margin:0 0 16px;font-size:14px;color:${light.quiet};word-break:break-all">Or open this address: <a class="link" href="${safe}" style="color:${light.link}">${safe}</a></p>`,
    text: `${label}:\n${href}`,
  }
}

/** What happened, by name. */
export function facts(rows: [name: string, value: string][]): Block {
  const clean = rows.map(([name, value]) => [name, oneLine(value) || 'unknown'] as const)
  const cells = clean.map(
    ([name, value]) =>
      `<tr><th scope="row" align="left" style="padding:2px 16px 2px 0">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  )
  return {
    html: `<table style="margin:0 0 16px;border-collapse:collapse">${cells.join('')}</table>`,
    text: clean.map(([name, value]) => `${name}: ${value}`).join('\n'),
  }
}

const STYLE = `@media (prefers-color-scheme: dark) {
body, .ground { background: ${dark.ground} !important; color: ${dark.text} !important }
.quiet { color: ${dark.quiet} !important } .link { color: ${dark.link} !important } }`

/** The one layout: HTML that loads nothing from anywhere, and the same as text. */
export function render<D>({ subject, body }: Template<D>, data: D): Content {
  const blocks = body(data)
  const html = `<!doctype html>
<html lang="en" dir="ltr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<title>${escapeHtml(subject)}</title><style>${STYLE}</style></head>
<body style="margin:0;background:${light.ground};color:${light.text};font:16px/1.5 system-ui,sans-serif">
<table class="ground" role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px"><tr><td>
<h1 style="margin:0 0 16px;font-size:22px;line-height:1.3">${escapeHtml(subject)}</h1>
${blocks.map((block) => block.html).join('\n')}
<p class="quiet" style="margin:0;font-size:14px;color:${light.quiet}">Aurelius</p>
</td></tr></table></td></tr></table></body></html>
`
  return { subject, html, text: `${[subject, ...blocks.map(({ text }) => text), '-- \nAurelius'].join('\n\n')}\n` }
}
