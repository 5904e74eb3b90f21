import { cookieOf } from '../cookie-jar.ts'
import { confirmedApp, makeChallenges } from '../matrix-factors.ts'
import { authorizeUrl, makePkce, openBrowser, postForm, REDIRECT, registerApp } from '../oauth-browser.ts'
import { type Answer, PASSWORD, type World } from '../world.ts'

const SETTLES_MS = 10_000

export type Expected = {
  what: string
  requestId: string
  action: string
  outcome: 'done' | 'denied'
  count: number
  person?: string
}
export type Scene = { world: World; expected: Expected[]; report(what: string): void }

export const idOf = (answer: Pick<Answer, 'headers'>): string => answer.headers.get('x-request-id') ?? ''

/** What is done by other ways than an operation: a tool by MCP, a tool in a turn, a wrong password, a replayed token. */
export async function tryOtherActs(scene: Scene): Promise<void> {
  const { world, expected, report } = scene
  const person = await world.person()
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call' }
  const mcp = (name: string, input: object) =>
    fetch(`${world.url}/mcp`, {
      method: 'POST',
      body: JSON.stringify({ ...call, params: { name, arguments: input } }),
      headers: { authorization: `Bearer ${person.accessToken}`, 'content-type': 'application/json' },
    })
  const made = await mcp('create_task', { title: 'By a host' })
  expected.push({
    what: 'a tool by MCP',
    requestId: idOf(made),
    action: 'create_task',
    outcome: 'done',
    count: 1,
    person: person.userId,
  })
  const { id } = Object((await person.api('POST', '/v1/conversations', { body: { title: 'x' } })).json)
  const said = await person.api('POST', `/v1/conversations/${id}/messages`, {
    body: { text: 'remind me to call the dentist tomorrow at 9' },
  })
  if (said.status !== 200) report(`a turn answered ${said.status}`)
  const turn = { requestId: idOf(said), outcome: 'done' as const, person: person.userId, count: 1 }
  expected.push(
    { what: 'a turn', action: 'sendMessage', ...turn },
    { what: 'a tool in a turn', action: 'create_task', ...turn },
  )
  const login = (email: string) =>
    world.call('POST', '/v1/auth/login', { body: { email, password: 'not the right one' } })
  const wrong = { action: 'login', outcome: 'denied' as const }
  const known = idOf(await login(person.email))
  expected.push({ what: 'a wrong password', requestId: known, ...wrong, count: 1, person: person.userId })
  expected.push({ what: 'a sign-in of nobody', requestId: idOf(await login('nobody@example.com')), ...wrong, count: 0 })
  const budget = await person.api('PUT', '/v1/ai/budget', { body: { isPaused: true } })
  expected.push({
    what: 'an act elsewhere',
    requestId: idOf(budget),
    action: 'setAiBudget',
    outcome: 'done',
    count: budget.status < 300 ? 1 : 0,
  })
  await tryRefusals(scene)
}

/** What is refused before the caller is known, and by whom else is told who it was about. */
async function tryRefusals({ world, expected, report }: Scene): Promise<void> {
  const denied = (what: string, action: string, person: string, answer: Answer) => {
    if (![401, 403].includes(answer.status)) report(`${what}: answered ${answer.status}`)
    const told = { requestId: idOf(answer), action, person }
    expected.push({ what, ...told, outcome: 'denied', count: 1 })
    expected.push({ what: `${what} does nothing`, ...told, outcome: 'done', count: 0 })
  }
  const person = await world.person()
  const { userId } = person
  const app = await confirmedApp(person)
  const wrong = { method: 'totp', code: app.code() === '000000' ? '000001' : '000000' }
  const [challenge] = await makeChallenges(world, person, 1)
  const answered = await world.call('POST', '/v1/auth/challenge', { body: { challenge, ...wrong } })
  denied('a wrong second factor', 'answerChallenge', userId, answered)
  denied('a wrong step-up', 'stepUp', userId, await person.api('POST', '/v1/auth/step-up', { body: wrong }))
  const byCookie = (origin: string) =>
    world.call('POST', '/v1/tasks', { body: { title: 'x' }, headers: { cookie: cookieOf(person), origin } })
  denied('a cookie alone', 'createTask', userId, await byCookie(world.vars.PUBLIC_URL ?? ''))
  denied('a cookie from a strange page', 'createTask', userId, await byCookie('https://evil.example'))
  const disabled = await world.person()
  await world.query('update users set disabled_at = now() where id = $1', [disabled.userId])
  const login = await world.call('POST', '/v1/auth/login', { body: { email: disabled.email, password: PASSWORD } })
  denied('a sign-in of somebody disabled', 'login', disabled.userId, login)
}

/** The pages and endpoints of OAuth, which are not in the document. */
export async function tryOauth({ world, expected, report }: Scene): Promise<void> {
  const person = await world.person()
  const told = (what: string, action: string, answer: Pick<Answer, 'headers' | 'status'>, done: number, denied = 0) => {
    const said = { action, requestId: idOf(answer), person: person.userId }
    expected.push({ what: `${what} ${answer.status}`, ...said, outcome: 'done', count: done })
    expected.push({ what: `${what} ${answer.status}`, ...said, outcome: 'denied', count: denied })
  }
  const clientId = await registerApp(world)
  // Of strangers the first in an hour is told, and the others are counted.
  let wrongs = 0
  const asked = async (decision: 'allow' | 'deny') => {
    const [browser, pkce] = [openBrowser(world), makePkce()]
    const page = (await browser.open(authorizeUrl(clientId, pkce))).text
    const wrong = await browser.signIn(page, person.email, 'not the right one')
    if (wrong.status !== 401) report(`a wrong password on the page of OAuth: answered ${wrong.status}`)
    told('a wrong password on the page of OAuth', 'POST /oauth/sign-in', wrong, 0, wrongs++ === 0 ? 1 : 0)
    const right = await browser.signIn(page, person.email)
    told('a sign-in on the page of OAuth', 'POST /oauth/sign-in', right, 1)
    const answered = await browser.answer((await browser.go('GET', right.location)).text, decision)
    told(`${decision} on the page of OAuth`, 'POST /oauth/consent', answered, 1)
    const code = new URL(answered.location).searchParams.get('code') ?? ''
    return {
      ...{ grant_type: 'authorization_code', client_id: clientId, code },
      ...{ redirect_uri: REDIRECT, code_verifier: pkce.verifier },
    }
  }
  const exchange = await asked('allow')
  told('a code of OAuth', 'POST /oauth/token', await postForm(world, '/oauth/token', exchange), 0)
  // It ends what it stood for.
  told('a code used again', 'POST /oauth/token', await postForm(world, '/oauth/token', exchange), 1, 1)
  const { said } = await postForm(world, '/oauth/token', await asked('allow'))
  const form = { client_id: clientId, token: String(said.refresh_token) }
  told('a token given back', 'POST /oauth/revoke', await postForm(world, '/oauth/revoke', form), 1)
  await asked('deny')
  const count = await countedOf(world, person.userId, wrongs)
  if (count !== wrongs) report(`${wrongs} wrong passwords on the page of OAuth are counted as ${count}`)
}

/** How many of a person's refusals were counted, as soon as it is as many as there must be. */
async function countedOf(world: World, userId: string, wanted: number): Promise<number> {
  const until = Date.now() + SETTLES_MS
  for (;;) {
    const [row] = await world.query(
      "select coalesce(sum(count), 0)::int as count from audit_denials where user_id = $1 and reason = 'invalid_credentials'",
      [userId],
    )
    const count = Number(row?.count)
    if (count === wanted || Date.now() > until) return count
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** A link that somebody not signed in asks for is told by who mails it, and of nobody where nobody has the address. */
export async function tryMailed({ world, report }: Scene): Promise<void> {
  for (const path of ['password-reset', 'magic-link']) {
    const [person] = await world.people(1)
    const { status } = await world.call('POST', `/v1/auth/${path}`, { body: { email: person?.email } })
    if (status !== 202) report(`${path}: answered ${status}`)
    const read = () =>
      world.query(`select target from audit_log where user_id = $1 and action = 'account-mail'`, [person?.userId])
    const until = Date.now() + SETTLES_MS
    let rows = await read()
    while (rows.length === 0 && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      rows = await read()
    }
    if (rows.length !== 1 || !String(rows[0]?.target).startsWith('cod_'))
      report(`${path}: that a link was mailed is told ${rows.length} times`)
  }
}
