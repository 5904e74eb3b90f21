import { createHash } from 'node:crypto'

// What each link asks for, where it is sent, and what is said when it was taken.
const FORMS = {
  register: ['Begin your account', 'register', 'The password you chose', 'Your account is ready: you can sign in.'],
  // Only who began the account knows it: who was mailed this by a stranger's doing confirms nothing by a click.
  verify: ['Confirm your address', 'verify-email', 'The password of your account', 'Your address is confirmed.'],
  // The code counts for the account that asked alone: who was mailed it by a stranger gives nothing away by a click.
  email: [
    'Confirm your new address',
    '',
    '',
    'Only if you asked to change the address of your account: enter this code in the app you are signed in with.',
  ],
  reset: [
    'Choose a new password',
    'password-reset',
    'New password, 15 characters or more',
    'Done: sign in with it now.',
  ],
  link: ['Sign in', 'magic-link', '', 'Signed in. For a client of your own, the answer:'],
}

const SECOND = 'You are not signed in: a second factor is needed. Sign in in the app, which asks for it.'

// The code is taken from the address at once: it stays in no history, and only a press of the button uses it.
const SCRIPT = `const FORMS = ${JSON.stringify(FORMS)}
const SECOND = ${JSON.stringify(SECOND)}
const [kind, token] = location.hash.slice(1).split('=')
history.replaceState(null, '', location.pathname)
const [title, path, label, done] = FORMS[kind] ?? []
const at = (id) => document.getElementById(id)
if (!title || !token) at('said').textContent = 'This is not a whole link; open it from the mail again.'
else {
  document.title = at('title').textContent = at('press').textContent = title
  at('form').hidden = !path
  if (!path) {
    at('said').textContent = done
    at('answer').textContent = token
  }
  if (label) at('label').hidden = !(at('name').textContent = label)
  else at('password').disabled = true
  at('password').autocomplete = kind === 'reset' ? 'new-password' : 'current-password'
}
at('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  at('press').disabled = true
  const body = JSON.stringify({ token, ...(label && { password: at('password').value }) })
  const headers = { 'content-type': 'application/json' }
  try {
    const answer = await fetch('/v1/auth/' + path + '/confirm', { method: 'POST', headers, body })
    const text = await answer.text()
    at('said').textContent = answer.status === 202 ? SECOND : answer.ok ? done : JSON.parse(text).detail
    at('form').hidden = answer.ok
    if (answer.status === 200 && kind === 'link') at('answer').textContent = text
  } catch {
    at('said').textContent = 'No answer came; try again.'
  }
  at('press').disabled = false
})`

const STYLE = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 32rem; margin: 3rem auto; padding: 0 1rem } input, button { font: inherit; padding: .5rem }
input { display: block; width: 100%; box-sizing: border-box; margin: .25rem 0 1rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere }`

/** Where the links of our mails lead: it holds no secret, loads nothing, and posts what stands in the fragment. */
export const CONFIRM_PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Aurelius</title><style>${STYLE}</style></head>
<body><main><h1 id="title">Aurelius</h1>
<form id="form" hidden><label id="label" hidden><span id="name"></span>
<input id="password" type="password" maxlength="256" required></label><button id="press"></button></form>
<p id="said" role="status"></p><pre id="answer"></pre></main>
<noscript><p>This page needs JavaScript: the secret of the link is not sent with its address.</p></noscript>
<script>${SCRIPT}</script></body></html>
`

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`

/** Its own script and style, and a way back to us; nothing else. */
export const confirmPolicy = () =>
  `default-src 'none'; script-src ${sha256(SCRIPT)}; style-src ${sha256(STYLE)}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
