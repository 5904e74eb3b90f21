import { deepStrictEqual } from 'node:assert'
import fc, { type AsyncCommand } from 'fast-check'
import { confirmedApp, pendingApp } from './matrix-factors.ts'
import { PASSWORD, type Person, type World } from './world.ts'

/** What should be so of one person: their app, the last challenge, and how many sessions are open. */
type Model = {
  app: 'none' | 'pending' | 'on'
  challenge: { isOpen: boolean; tries: number }
  codes: number
  sessions: number
}
type Real = { person: Person; code: () => string; codes: string[]; used: string[]; challenge: string }
type Command = AsyncCommand<Model, Real>

const MOST_TRIES = 5
const CODES = 10
const NO_CHALLENGE = `chl_${'x'.repeat(43)}`

/** Every step a client can take with a password, an app and recovery codes, in any order, and what each should be answered. */
export async function createModel(world: World) {
  const step = (name: string, run: Command['run']): Command => ({
    check: () => true,
    toString: () => name,
    async run(model, real) {
      await run(model, real)
      const [row] = await world.query(
        'select count(*)::int as open from sessions where user_id = $1 and ended_at is null',
        [real.person.userId],
      )
      deepStrictEqual([name, row?.open], [name, model.sessions])
    },
  })
  const reached = { count: 0 }
  const expects = (name: string, is: number, should: number) => deepStrictEqual([name, is], [name, should])
  const login = (email: string, password: string) => world.call('POST', '/v1/auth/login', { body: { email, password } })

  /** The half minutes of an app's codes pass at once, and its waits. */
  const passTime = ({ userId }: Person) =>
    world.query('update totp_secrets set last_step = 0, failures = 0 where user_id = $1', [userId])

  async function show(model: Model, real: Real, method: string, code: string, isRight: boolean): Promise<void> {
    const { challenge } = model
    await passTime(real.person)
    const isTaken = challenge.isOpen && challenge.tries < MOST_TRIES
    const lets = isTaken && isRight && model.app === 'on'
    const { status } = await world.call('POST', '/v1/auth/challenge', {
      body: { challenge: real.challenge, method, code },
    })
    expects(`${method} ${isRight}`, status, lets ? 200 : 401)
    if (isTaken) challenge.tries++
    if (!lets) return
    challenge.isOpen = false
    reached.count++
    model.sessions++
  }

  const steps: Command[] = [
    step('enrol', async (model, real) => {
      const isRefused = model.app === 'on'
      if (isRefused) return expects('enrol', (await real.person.api('POST', '/v1/auth/totp')).status, 409)
      real.code = await pendingApp(real.person)
      model.app = 'pending'
    }),
    step('confirm', async (model, real) => {
      const given = await real.person.api('POST', '/v1/auth/totp/confirm', { body: { code: real.code() } })
      expects('confirm', given.status, { none: 404, pending: 200, on: 409 }[model.app])
      if (model.app !== 'pending') return
      Object.assign(model, { app: 'on', codes: CODES })
      Object.assign(real, { codes: JSON.parse(given.text).codes, used: [] })
    }),
    step('enrol and confirm', async (model, real) => {
      if (model.app === 'on') return
      Object.assign(model, { app: 'on', codes: CODES })
      const { code, codes } = await confirmedApp(real.person)
      Object.assign(real, { code, codes, used: [] })
    }),
    step('confirm wrongly', async (model, { person, code }) => {
      const wrong = code() === '000000' ? '000001' : '000000'
      const { status } = await person.api('POST', '/v1/auth/totp/confirm', { body: { code: wrong } })
      expects('confirm wrongly', status, { none: 404, pending: 400, on: 409 }[model.app])
    }),
    step('remove', async (model, { person }) => {
      expects('remove', (await person.api('DELETE', '/v1/auth/totp')).status, model.app === 'none' ? 404 : 204)
      Object.assign(model, { app: 'none', codes: 0 })
    }),
    step('log in', async (model, real) => {
      const given = await login(real.person.email, PASSWORD)
      expects('log in', given.status, model.app === 'on' ? 202 : 200)
      if (model.app !== 'on') return void model.sessions++
      real.challenge = JSON.parse(given.text).challenge
      model.challenge = { isOpen: true, tries: 0 }
    }),
    step('log in wrongly', async (_, { person }) =>
      expects('log in wrongly', (await login(person.email, 'wrong')).status, 401),
    ),
    step('show a code', (model, real) => show(model, real, 'totp', real.code(), true)),
    step('show a wrong code', (model, real) => {
      return show(model, real, 'totp', real.code() === '000000' ? '000001' : '000000', false)
    }),
    step('show a recovery code', async (model, real) => {
      const { tries, isOpen } = model.challenge
      const isTaken = isOpen && tries < MOST_TRIES && model.codes > 0
      const [code = 'none'] = real.codes
      await show(model, real, 'recovery_code', code, model.codes > 0)
      if (!isTaken) return
      model.codes--
      real.used.push(...real.codes.splice(0, 1))
    }),
    step('show a used recovery code', (model, real) =>
      show(model, real, 'recovery_code', real.used[0] ?? 'none', false),
    ),
    step('take the challenge for a token', async (_, { challenge }) => {
      expects('a token', (await world.call('GET', '/v1/me', { token: challenge })).status, 401)
    }),
    step('step up by password', async (model, { person }) => {
      if (model.app !== 'on') return
      const given = await person.api('POST', '/v1/auth/step-up', { body: { method: 'password', password: PASSWORD } })
      expects('step up', given.status, 403)
    }),
  ]

  // Those that lead in come more often: few runs of chance alone would reach the end of it.
  const likely = steps.filter((one) => /^(enrol and confirm|log in|show a (recovery )?code)$/.test(String(one)))
  const person = await world.person()
  return {
    /** How often a second factor led in. */
    reached,
    commands(most: number) {
      const arms = [...steps, ...likely, ...likely, ...likely].map((one) => fc.constant(one))
      return fc.commands(arms, { maxCommands: most, size: 'max' })
    },
    /** One person goes on from run to run, so that what a run left behind is met by the next. */
    async start(): Promise<{ model: Model; real: Real }> {
      await world.query('delete from totp_secrets where user_id = $1', [person.userId])
      await world.query('delete from recovery_codes where user_id = $1', [person.userId])
      const [row] = await world.query(
        'select count(*)::int as open from sessions where user_id = $1 and ended_at is null',
        [person.userId],
      )
      const model: Model = {
        app: 'none',
        challenge: { isOpen: false, tries: 0 },
        codes: 0,
        sessions: Number(row?.open),
      }
      return { model, real: { person, code: () => '123456', codes: [], used: [], challenge: NO_CHALLENGE } }
    },
  }
}
