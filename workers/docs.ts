import type { Context } from 'hono'

/** The files of the reference that are served; nothing else of their package is. */
export const DOCS_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js']

const START = `window.onload = () => SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, persistAuthorization: true })`

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Aurelius API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><main id="docs"></main><script src="/docs/swagger-ui-bundle.js"></script><script>${START}</script></body>
</html>`

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
}

/** The interactive reference, from the deployment's own assets: it loads nothing from elsewhere. */
export async function docsPage(c: Context): Promise<Response> {
  const policy = `default-src 'none'; script-src 'self' 'sha256-${await sha256(START)}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'`
  return c.html(PAGE, 200, { 'Content-Security-Policy': policy, 'Cache-Control': 'public, max-age=300' })
}
