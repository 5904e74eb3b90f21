import { randomBytes } from 'node:crypto'
import { createEmulator } from 'emulate'
import { exportPKCS8, generateKeyPair } from 'jose'
import { freePort } from './free-port.ts'

const HOST = '127.0.0.1'
const NAMES = ['google', 'microsoft', 'apple'] as const
type Name = (typeof NAMES)[number]

export type Providers = {
  urls: Record<Name, string>
  /** Somebody of each, who needs no password there. */
  people: Record<Name, string>
  /** The settings by which a Worker signs in with them. */
  vars: Record<string, string>
  stop(): Promise<void>
}

export type ProviderOptions = {
  /** Where browsers come back to. */
  publicUrl: string
  /** The first of three; without it any that are free. */
  port?: number
}

/** Google, Microsoft and Apple on this machine, as far as signing in goes. Their accounts are made anew at each start. */
export async function startProviders({ publicUrl, port }: ProviderOptions): Promise<Providers> {
  const clientSecret = randomBytes(16).toString('hex')
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const clientOf = (name: Name) => ({
    client_id: `aurelius-${name}`,
    client_secret: clientSecret,
    name: 'Aurelius',
    redirect_uris: [`${publicUrl}/v1/auth/providers/${name}/callback`],
  })
  const people = { google: 'sam@gmail.com', microsoft: 'sam@outlook.com', apple: 'sam@icloud.com' }
  const running: { close(): Promise<void> }[] = []
  const stop = async () => void (await Promise.all(running.splice(0).map((one) => one.close())))
  const start = async (name: Name, at: number) => {
    const apple = { team_id: 'TEAM000001', key_id: 'KEY0000001' }
    const client = { ...clientOf(name), ...(name === 'apple' && apple) }
    const seed = { [name]: { users: [{ email: people[name], name: 'Sam Doe' }], oauth_clients: [client] } }
    const emulator = await createEmulator({ service: name, port: at, baseUrl: `http://${HOST}:${at}`, seed })
    running.push(emulator)
    return emulator.url
  }
  try {
    const at = async (index: number) => (port === undefined ? await freePort() : port + index)
    const google = await start('google', await at(0))
    const microsoft = await start('microsoft', await at(1))
    const apple = await start('apple', await at(2))
    const vars = {
      GOOGLE_CLIENT_ID: 'aurelius-google',
      GOOGLE_CLIENT_SECRET: clientSecret,
      GOOGLE_BASE_URL: google,
      MICROSOFT_CLIENT_ID: 'aurelius-microsoft',
      MICROSOFT_CLIENT_SECRET: clientSecret,
      MICROSOFT_BASE_URL: microsoft,
      APPLE_CLIENT_ID: 'aurelius-apple',
      APPLE_TEAM_ID: 'TEAM000001',
      APPLE_KEY_ID: 'KEY0000001',
      APPLE_PRIVATE_KEY: await exportPKCS8(privateKey),
      APPLE_BASE_URL: apple,
      SIGN_IN_RETURN_URLS: `http://${HOST}/signed-in`,
    }
    return { urls: { google, microsoft, apple }, people, vars, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
