import { setTimeout as wait } from 'node:timers/promises'
import { changeSet, type Step } from '../../local/key-set.ts'
import type { Secrets } from '../../local/secrets.ts'
import type { World } from '../world.ts'
import type { Chance } from './chance.ts'
import { type Kept, readSecret } from './lib-sealed.ts'

const PER_SECOND = 50
const RESEAL_WITHIN_MS = 20_000
export const STEPS: readonly Step[] = ['add', 'promote', 'retire']

const NO_VAPID = { VAPID_PUBLIC_KEY: '', VAPID_PRIVATE_KEY: '' }

type Report = (what: string) => void
export type Load = { requests: number; seconds: number }

/** The next settings: both kinds of key are moved on by the same step. */
export async function nextVars(vars: Record<string, string>, step: Step): Promise<Record<string, string>> {
  const [JWT_KEYS, ENCRYPTION_KEYS] = [vars.JWT_KEYS ?? '', vars.ENCRYPTION_KEYS ?? '']
  const set: Secrets = {
    JWT_KEYS,
    ENCRYPTION_KEYS,
    REFRESH_KEY: '',
    PASSWORD_PEPPER: '',
    OPERATOR_TOKEN: '',
    ...NO_VAPID,
  }
  const changed = await changeSet(await changeSet(set, 'jwt', step), 'encryption', step)
  return { JWT_KEYS: changed.JWT_KEYS, ENCRYPTION_KEYS: changed.ENCRYPTION_KEYS }
}

/** What a person holds while keys go by: renewed at one Worker, shown at another. */
export type Holder = { kept: Kept[]; refreshToken: string; accessToken: string }

/**
 * Fifty requests a second at all these Workers until `isOver`: secrets are read, new ones written, tokens renewed at one and
 * shown at the next.
 */
export async function drive(
  worlds: World[],
  holders: Holder[],
  { chance, report, isOver }: { chance: Chance; report: Report; isOver(): boolean },
): Promise<Load> {
  const started = performance.now()
  const going: Promise<void>[] = []
  const renewing = new Set<Holder>()
  let requests = 0
  const failed = (what: string) => (error: unknown) => report(`${what} broke: ${String(error)}`)
  while (!isOver()) {
    const world = chance.pick(worlds)
    const holder = chance.pick(holders)
    const kind = chance.next()
    requests++
    if (kind < 0.5) going.push(read(world, holder, chance, report).catch(failed('a read')))
    else if (kind < 0.6) going.push(write(world, holder, report).catch(failed('a write')))
    else if (kind < 0.7 && !renewing.has(holder)) {
      renewing.add(holder)
      const renewed = renew(world, holder, report).catch(failed('a renewal'))
      going.push(renewed.finally(() => renewing.delete(holder)))
    } else going.push(show(world, holder, report).catch(failed('a token')))
    const dueMs = (requests * 1000) / PER_SECOND - (performance.now() - started)
    if (dueMs > 0) await wait(dueMs)
  }
  const seconds = (performance.now() - started) / 1000
  await Promise.all(going)
  return { requests, seconds }
}

async function read(world: World, holder: Holder, chance: Chance, report: Report): Promise<void> {
  const [still, written] = holder.kept
  const one = chance.next() < 0.5 ? still : written
  const { status, text } = await readSecret(world, holder.accessToken, one?.id ?? '')
  // What was found out is not kept where the server was changed meanwhile.
  const isRead = text.includes('"status":"ok"') || (one === written && text.includes('"status":"new"'))
  if (status !== 200 || !isRead) report(`a secret is read as ${status} ${text.slice(0, 300)}`)
}

async function write(world: World, { kept, accessToken }: Holder, report: Report): Promise<void> {
  const [, { id, secret } = { id: '', secret: '' }] = kept
  const body = { auth: { type: 'header', name: 'authorization', value: secret } }
  const headers = { 'if-match': '*' }
  const { status, text } = await world.call('PATCH', `/v1/mcp/servers/${id}`, { token: accessToken, body, headers })
  if (status !== 200) report(`a secret is given anew and answered ${status} ${text.slice(0, 200)}`)
}

/** Renewed tokens are of the key that signs now. */
export async function renew(world: World, holder: Holder, report: Report): Promise<void> {
  const body = { refreshToken: holder.refreshToken }
  const { status, text } = await world.call('POST', '/v1/auth/refresh', { body })
  if (status !== 200) return report(`a renewal is answered ${status} ${text.slice(0, 200)}`)
  const { accessToken, refreshToken } = JSON.parse(text)
  Object.assign(holder, { accessToken, refreshToken })
}

async function show(world: World, { accessToken }: Holder, report: Report): Promise<void> {
  const { status, text } = await world.call('GET', '/v1/me', { token: accessToken })
  if (status !== 200) report(`a token is answered ${status} ${text.slice(0, 200)}`)
}

type Progress = { currentKey: string; columns: { older: number; rows: number }[] }

/** Runs cron until the operator is told that nothing is left on an older key; answers what was left at first. */
export async function reseal(world: World, report: Report): Promise<number> {
  const older = async () => {
    const token = world.vars.OPERATOR_TOKEN
    const { json, text, status } = await world.call('GET', '/v1/admin/secrets', { token })
    if (status !== 200) throw new Error(`the operator is answered ${status} ${text}`)
    return (json as Progress).columns.reduce((sum, column) => sum + column.older, 0)
  }
  const first = await older()
  const deadline = performance.now() + RESEAL_WITHIN_MS
  let left = first
  while (left > 0 && performance.now() < deadline) {
    await world.scheduled()
    left = await older()
  }
  if (left > 0) report(`${left} texts are left on the old key`)
  return first
}
