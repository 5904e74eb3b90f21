import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'
import { type Api, ApiError, createApi, refresh, request, type Tokens } from './api.ts'

type Kept = { email: string; password: string; refreshToken?: string }
/** By the server's address; the one used last comes first. */
type Accounts = Record<string, Kept[]>

export type SignInOptions = {
  url: string
  /** Where accounts are kept, 0600. */
  file: string
  email: string | undefined
  /** For an address that is registered but not kept here. */
  password: string | undefined
  displayName?: string
  timeZone: string
  /** Not who is meant when nobody is named, unless there is nobody else. */
  isGuest?: boolean
}
export type SignedIn = {
  api: Api
  email: string
  password: string
  isNew: boolean
  /** Keeps the session for the next time. */
  leave(): void
}

const DEFAULT_EMAIL = 'you@aurelius.example'
const DEVICE = 'Terminal'

/** Signs in whoever used this server last, or who is named; registers who is not known yet. */
export async function signIn(options: SignInOptions): Promise<SignedIn> {
  const { url, file, isGuest = false } = options
  const known = read(file)[url] ?? []
  const kept = options.email ? known.find(({ email }) => email === options.email) : known[0]
  const email = options.email ?? kept?.email ?? DEFAULT_EMAIL
  const password = options.password ?? kept?.password ?? randomBytes(18).toString('base64url')

  // Taken out while it is used: a refresh token that two use is taken for stolen.
  if (kept) write(file, url, { email, password }, isGuest)
  const resumed = kept?.refreshToken ? await refresh(url, kept.refreshToken).catch(unless401) : undefined
  const isKnown = kept !== undefined || options.password !== undefined
  const entered = resumed ?? (isKnown ? await login(url, email, password).catch(unless401) : undefined)
  let tokens = entered ?? (await register(options, email, password))
  write(file, url, { email, password }, isGuest)
  const keep = (next: Tokens) => {
    tokens = next
  }
  return {
    api: createApi(url, tokens, keep, () => login(url, email, password)),
    email,
    password,
    isNew: entered === undefined,
    leave: () => write(file, url, { email, password, refreshToken: tokens.refreshToken }, isGuest),
  }
}

async function login(url: string, email: string, password: string): Promise<Tokens> {
  const answer = await request(url, 'POST', '/v1/auth/login', { body: { email, password, deviceName: DEVICE } })
  if (answer.status === 202) throw new Error(`${email} asks for a second factor, which cannot be shown here`)
  return await answer.json()
}

async function register(
  { url, timeZone, displayName }: SignInOptions,
  email: string,
  password: string,
): Promise<Tokens> {
  const name = displayName ?? (userInfo().username.slice(0, 100) || 'You')
  const body = { email, password, displayName: name, timeZone, locale: systemLocale(), deviceName: DEVICE }
  const answer = await request(url, 'POST', '/v1/auth/register', { body }).catch((error) => {
    if (!(error instanceof ApiError) || error.code !== 'email_taken') throw error
    const hint = 'Give its password (AURELIUS_PASSWORD=…), or another address (--email …)'
    throw new ApiError(error.status, error.code, `${email} is registered here, with another password. ${hint}.`)
  })
  return await answer.json()
}

function systemLocale(): string {
  const { locale } = new Intl.DateTimeFormat().resolvedOptions()
  return locale.length >= 2 && locale.length <= 35 ? locale : 'en-US'
}

// A session that ended, or a person who is gone with the data folder: the next way in is tried.
function unless401(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 401) return undefined
  throw error
}

function read(file: string): Accounts {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}

function write(file: string, url: string, account: Kept, isGuest: boolean): void {
  const all = read(file)
  const others = (all[url] ?? []).filter(({ email }) => email !== account.email)
  const accounts = isGuest ? [...others, account] : [account, ...others]
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  // Whole or not at all: the refresh token in it works once.
  writeFileSync(`${file}.new`, JSON.stringify({ ...all, [url]: accounts }, null, 2), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
