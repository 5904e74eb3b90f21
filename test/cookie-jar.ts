import { type Answer, type CallOptions, PASSWORD, type Person, type World } from './world.ts'

/** A browser whose page asked for cookies: it sends them by itself, and says where the page is from. */
export type Browser = {
  cookies: Map<string, string>
  csrfToken: string
  sessionId: string
  email: string
  /** As the page would: with its origin and its CSRF token, unless told otherwise. */
  send(method: string, path: string, options?: CallOptions): Promise<Answer>
  signIn(path?: 'login' | 'register'): Promise<Answer>
  renew(): Promise<Answer>
}

const ASK = { 'aurelius-session': 'cookie' }

function keep(jar: Map<string, string>, answer: Answer): void {
  for (const line of answer.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (/Max-Age=0(;|$)/.test(line)) jar.delete(name)
    else jar.set(name, value)
  }
}

export function openBrowser(world: World, email: string): Browser {
  const cookies = new Map<string, string>()
  const origin = world.vars.PUBLIC_URL ?? ''
  const browser: Browser = {
    cookies,
    csrfToken: '',
    sessionId: '',
    email,
    async send(method, path, options = {}) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const own = { ...(cookie && { cookie }), origin, 'x-csrf-token': browser.csrfToken }
      const answer = await world.call(method, path, { ...options, headers: { ...own, ...options.headers } })
      keep(cookies, answer)
      return answer
    },
    async signIn(path = 'login') {
      const body = { email, password: PASSWORD, ...(path === 'register' && { displayName: 'Sam' }) }
      return told(await browser.send('POST', `/v1/auth/${path}`, { body, headers: ASK }))
    },
    renew: async () => told(await browser.send('POST', '/v1/auth/refresh', { body: {}, headers: ASK })),
  }
  const told = (answer: Answer) => {
    if (answer.status < 300) Object.assign(browser, JSON.parse(answer.text))
    return answer
  }
  return browser
}

/** The cookie of a person who is known by tokens. */
export const cookieOf = ({ accessToken }: Pick<Person, 'accessToken'>) => `__Host-aurelius-access=${accessToken}`
