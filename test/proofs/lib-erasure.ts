import { setTimeout as wait } from 'node:timers/promises'
import type { Person, World } from '../world.ts'

const LOOK_AGAIN_MS = 50
const WITHIN_MS = 30_000

/** Has a person erased as they would ask for it, with the grace behind them; answers whether the receipt came. */
export async function erasePerson(world: World, person: Person): Promise<boolean> {
  const receiptId = await askForErasure(world, person)
  await world.scheduled()
  return (await receiptOf(world, receiptId)) !== undefined
}

/** Schedules it, and lets the grace be over. */
export async function askForErasure(world: World, person: Person): Promise<string> {
  const answer = await person.api('DELETE', '/v1/me')
  if (answer.status !== 202) throw new Error(`erasure is answered ${answer.status}: ${answer.text}`)
  await world.query("update users set deletion_at = now() - interval '1 second' where id = $1", [person.userId])
  return String(JSON.parse(answer.text).receiptId)
}

/** The receipt as soon as there is one. */
export async function receiptOf(world: World, id: string, withinMs = WITHIN_MS): Promise<string | undefined> {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await wait(LOOK_AGAIN_MS)) {
    const { status, text } = await world.call('GET', `/v1/erasure-receipts/${id}`)
    if (status === 200) return String(JSON.parse(text).receipt)
  }
  return undefined
}
