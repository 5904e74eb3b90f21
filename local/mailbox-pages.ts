import type { Received } from './mailbox.ts'

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (value: string) => value.replace(/[&<>"']/g, (found) => ENTITIES[found] ?? '')

const STYLE = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem } table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8884 }
iframe { width: 100%; height: 36rem; border: 1px solid #8884; background: #fff }`

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><h1>${escapeHtml(title)}</h1>
${body}
</body></html>
`
}

/** Everything that was sent, newest first. */
export function listPage(mails: Received[]): string {
  const rows = mails.map(
    ({ id, to, subject, kind, at }) =>
      `<tr><td><a href="/messages/${encodeURIComponent(id)}">${escapeHtml(subject)}</a></td><td>${escapeHtml(to)}</td><td>${escapeHtml(kind)}</td><td>${at}</td></tr>`,
  )
  const table = `<table><tr><th scope="col">Subject</th><th scope="col">To</th><th scope="col">Kind</th><th scope="col">At</th></tr>
${rows.join('\n')}</table>`
  return page('Mail of this machine', mails.length > 0 ? table : '<p>Nothing was sent yet. Reload to look again.</p>')
}

/** One mail: its text, and its HTML in a frame that may do nothing. */
export function mailPage({ id, from, to, subject, kind, at, text }: Received): string {
  const rows = Object.entries({ From: from, To: to, Kind: kind, At: at, Id: id })
    .map(([name, value]) => `<tr><th scope="row">${name}</th><td>${escapeHtml(value)}</td></tr>`)
    .join('')
  return page(
    subject,
    `<p><a href="/">All mail</a></p><table>${rows}</table><h2>Text</h2><pre>${escapeHtml(text)}</pre>
<h2>HTML</h2><iframe sandbox title="The mail as HTML" src="/messages/${encodeURIComponent(id)}/html"></iframe>`,
  )
}

/** What reached devices, newest first. */
export function pushesPage(pushes: { service: string; to: string; at: string; text: string }[]): string {
  const rows = pushes.map(
    ({ service, to, at, text }) =>
      `<tr><td>${escapeHtml(service)}</td><td>${escapeHtml(to)}</td><td>${at}</td><td>${escapeHtml(text)}</td></tr>`,
  )
  const table = `<table><tr><th scope="col">Service</th><th scope="col">To</th><th scope="col">At</th><th scope="col">What</th></tr>
${rows.join('\n')}</table>`
  return page(
    'Pushes of this machine',
    rows.length > 0 ? table : '<p>Nothing was pushed yet. Reload to look again.</p>',
  )
}
