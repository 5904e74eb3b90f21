import type { Asked } from './authorize.ts'
import { placeOf } from './redirects.ts'
import { WORDS } from './words.ts'

/** A page and what its form may lead to: by a redirect, that too is a target of the form to a browser. */
export type Page = { html: string; leadsTo?: string | undefined }

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

type Markup = { html: string }
type Part = string | Markup | Markup[] | undefined

// What is no markup of ours is text.
function html(texts: TemplateStringsArray, ...parts: Part[]): Markup {
  const written = parts.map((part) => {
    if (typeof part === 'string') return part.replace(/[&<>"']/g, (found) => ENTITIES[found] ?? '')
    return Array.isArray(part) ? part.map((each) => each.html).join('') : (part?.html ?? '')
  })
  return { html: texts.map((text, at) => text + (written[at] ?? '')).join('') }
}

export const STYLE = `
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.4rem}label{display:block;margin:.8rem 0}li{list-style:none}ul{padding:0}
input:not([type=checkbox]){display:block;width:100%;box-sizing:border-box;font:inherit;padding:.5rem}
button{font:inherit;padding:.6rem 1.4rem;margin:1rem .6rem 0 0}
.alert{border-left:.3rem solid #b42318;padding-left:.8rem}`

function page(title: string, content: Markup): string {
  const style = { html: STYLE }
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} - Aurelius</title><style>${style}</style></head>
<body><main><h1>${title}</h1>
${content}
</main></body>
</html>`.html
}

const request = (id: string) => html`<input type="hidden" name="request" value="${id}">`

/** Where a person signs in to look at what an app asks. `problem`: why the last try did not do. */
export function signInPage(id: string, problem?: string): Page {
  const said = problem === undefined ? undefined : html`<p class="alert" role="alert">${problem}</p>`
  return {
    html: page(
      'Sign in',
      html`<p>An app asks for access to your Aurelius account. Sign in to see which, and what it wants.</p>
${said}
<form method="post" action="/oauth/sign-in">${request(id)}
<label>E-mail address <input name="email" type="email" autocomplete="username" maxlength="254" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" maxlength="256" required></label>
<button type="submit">Sign in</button>
</form>`,
    ),
  }
}

/** The second step of signing in; `challenge` is what the first one gave. */
export function codePage(id: string, challenge: string, problem?: string): Page {
  const said = problem === undefined ? undefined : html`<p class="alert" role="alert">${problem}</p>`
  return {
    html: page(
      'Second step',
      html`${said}
<form method="post" action="/oauth/sign-in">${request(id)}<input type="hidden" name="challenge" value="${challenge}">
<label>Code of your authenticator app, or a recovery code <input name="code" autocomplete="one-time-code" maxlength="60" required autofocus></label>
<button type="submit">Sign in</button>
</form>`,
    ),
  }
}

/** What an app asks, to be said yes or no to. */
export function consentPage({ id, clientId, clientName, redirectUri, scopes, email }: Asked & { email: string }): Page {
  const home = URL.canParse(clientId)
    ? html` (it is described at <strong>${new URL(clientId).host}</strong>)`
    : undefined
  const door = scopes.includes('mcp') ? html`<input type="hidden" name="scope" value="mcp">` : undefined
  const rooms = scopes.filter((scope) => scope !== 'mcp')
  const items = rooms.map(
    (scope) =>
      html`<li><label><input type="checkbox" name="scope" value="${scope}" checked> ${WORDS[scope]}</label></li>`,
  )
  return {
    leadsTo: new URL(redirectUri).origin,
    html: page(
      'Allow access?',
      html`<p>You are signed in as <strong>${email}</strong>.</p>
<p>An app that calls itself <strong>${clientName}</strong>, at <strong>${placeOf(redirectUri)}</strong>${home}, asks to:</p>
<form method="post" action="/oauth/consent">${request(id)}${door}
<fieldset><legend>Untick what it shall not do</legend><ul>
${items}
</ul></fieldset>
<p>If you did not start this yourself, do not allow it. You can take it back at any time.</p>
<button type="submit" name="decision" value="deny">Do not allow</button>
<button type="submit" name="decision" value="allow">Allow</button>
</form>`,
    ),
  }
}

/** Why it does not go on. `back` takes the person to the app, which is told too; only if they want to go. */
export function problemPage(problem: string, back?: string): Page {
  const link =
    back === undefined ? undefined : html`<p><a href="${back}" rel="noreferrer">Back to ${placeOf(back)}</a></p>`
  return { html: page('This does not work', html`<p class="alert" role="alert">${problem}</p>${link}`) }
}
