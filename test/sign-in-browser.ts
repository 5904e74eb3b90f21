import { createHash, randomBytes } from 'node:crypto'
import type { Answer, Call, CallOptions } from './world.ts'

export const RETURN_TO = 'http://127.0.0.1:49152/signed-in'

/** A client that signs somebody in: it alone knows the verifier. */
export function makeClient() {
  const codeVerifier = randomBytes(32).toString('base64url')
  return { codeVerifier, codeChallenge: createHash('sha256').update(codeVerifier).digest('base64url') }
}
export type Client = ReturnType<typeof makeClient>

/** Where a browser was told to go, and with what. */
export type Step = { method: 'GET' | 'POST'; url: URL; form?: Record<string, string> }

const pathOf = ({ pathname, search }: URL) => pathname + search
const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' }

/** A browser with its own cookies of the Worker, whatever the Worker's public name is. */
export function createBrowser(call: Call) {
  const cookies = new Map<string, string>()
  return {
    cookies,
    async send({ method, url, form }: Step, headers: CallOptions['headers'] = {}): Promise<Answer> {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const sent = { ...(cookie && { cookie }), ...(form && formHeaders), ...headers }
      const raw = form && new URLSearchParams(form).toString()
      const answer = await call(method, pathOf(url), { headers: sent, ...(raw !== undefined && { raw }) })
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        cookies.set(name, value)
      }
      return answer
    },
  }
}

export const locationOf = (answer: Answer): URL => {
  const to = answer.headers.get('location')
  if (answer.status !== 303 || !to) throw new Error(`sent nowhere: ${answer.status} ${answer.text}`)
  return new URL(to)
}

const inputs = (html: string) =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name ?? '',
      (value ?? '').replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"'),
    ]),
  )

/** What somebody does at an emulated provider: they are who they say; where their browser is sent back to. */
export async function chooseAccount(authorizationUrl: URL, email: string): Promise<Step> {
  const page = await fetch(authorizationUrl)
  const html = await page.text()
  const form = html.split('<form').find((part) => inputs(part)['email'] === email)
  const action = /action="([^"]+)"/.exec(form ?? '')?.[1]
  if (!form || !action)
    throw new Error(`nobody to be at ${authorizationUrl.host}: ${page.status} ${html.slice(0, 300)}`)
  const body = new URLSearchParams(inputs(form))
  const answer = await fetch(new URL(action, authorizationUrl), { method: 'POST', body, redirect: 'manual' })
  const to = answer.headers.get('location')
  if (to) return { method: 'GET', url: new URL(to) }
  const posted = await answer.text()
  const target = /action="([^"]+)"/.exec(posted)?.[1] ?? ''
  return { method: 'POST', url: new URL(target), form: inputs(posted) }
}

/** Begins as a client would. */
export async function begin(call: Call, provider: string, client: Client, returnTo = RETURN_TO): Promise<Step> {
  const body = { returnTo, codeChallenge: client.codeChallenge }
  const answer = await call('POST', `/v1/auth/providers/${provider}/start`, { body })
  if (answer.status !== 200) throw new Error(`not begun: ${answer.status} ${answer.text}`)
  return { method: 'GET', url: new URL(JSON.parse(answer.text).url) }
}

export const exchange = (call: Call, code: string | null, { codeVerifier }: Client, more: object = {}) =>
  call('POST', '/v1/auth/providers/exchange', { body: { code, codeVerifier, ...more } })
