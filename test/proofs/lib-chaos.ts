import { setTimeout as wait } from 'node:timers/promises'
import type { Person, World } from '../world.ts'
import type { Chance } from './chance.ts'
import { arrayOf, relayNow } from './lib-effects.ts'
import type { Listener } from './lib-listener.ts'

export type Device = { topics: string[]; listener: Listener }
export type Member = {
  person: Person
  conversation: string
  devices: Device[]
  /** What is on its way in this person's name. */
  asked: Set<Promise<unknown>>
  /** Asks for nothing at the moment. */
  rests: boolean
}
/** How often each fault was. */
export type Faults = Record<string, number>
export type Scene = { world: World; members: Member[]; chance: Chance; seconds: number }

type Fault = (scene: Scene) => Promise<void>

const SECOND_MS = 1000
// Late enough that there is something to lose, and once also in the shortest run.
const DEPLOY_EACH_S = 20
const DEPLOY_AT_S = 4
// Of 30 connections a person may open in a minute: beyond them a client is told to wait, which is another test.
const MOST_CONNECTS = 24
const FORGOTTEN_EACH = 5

/** Something goes wrong each second, while what waits in the outbox is relayed. */
export async function disturb(scene: Scene): Promise<Faults> {
  const { world, members, chance, seconds } = scene
  const owners = arrayOf(members.map(({ person }) => person.userId))
  const faults: Faults = {}
  const startedMs = performance.now()
  for (let second = 0; second < seconds; second++) {
    const isDeploy = second % DEPLOY_EACH_S === DEPLOY_AT_S
    const [name, fault] = isDeploy ? (['deploy', deploy] as const) : chance.pick(Object.entries(FAULTS))
    await fault(scene)
    faults[name] = (faults[name] ?? 0) + 1
    await forget(scene, owners)
    await relayNow(world, owners)
    await wait(Math.max(0, startedMs + (second + 1) * SECOND_MS - performance.now()))
  }
  return faults
}

const deploy: Fault = async ({ world }) => await world.restart()

const FAULTS: Record<string, Fault> = {
  async drop({ members, chance }) {
    const devices = members.filter(mayConnect).flatMap((member) => member.devices)
    for (const { listener } of some(devices, 20, chance)) listener.drop()
  },
  // What hibernation does: the object is gone, its sockets are kept.
  async evict({ world, members, chance }) {
    for (const member of some(members, 5, chance)) await evictRoom(world, member, 'hibernate')
  },
  // What a crash of its machine does: the object is gone with its sockets.
  async abort({ world, members, chance }) {
    for (const member of some(members.filter(mayConnect), 15, chance)) await evictRoom(world, member, 'close')
  },
}

// The runtime's own tool waits until the object has nothing to do, and keeps from it what it waits for: not within a turn.
async function evictRoom(world: World, member: Member, webSockets: 'close' | 'hibernate'): Promise<void> {
  const { miniflare } = world.worker
  const { userId: name } = member.person
  member.rests = true
  try {
    await Promise.all(member.asked)
    await miniflare.unsafeEvictDurableObject('aurelius', 'UserSession', { name, webSockets })
  } catch (error) {
    // It was gone by itself.
    if (!String(error).includes('not currently running')) throw error
  } finally {
    member.rests = false
  }
}

function mayConnect({ devices }: Member): boolean {
  return devices.reduce((sum, { listener }) => sum + listener.connects(), 0) + devices.length <= MOST_CONNECTS
}

/** One of `each`, and at least one of all. */
function some<T>(items: T[], each: number, chance: Chance): T[] {
  return chance.shuffle(items).slice(0, Math.ceil(items.length / each))
}

// As if a consumer had died after its work and before it noted so: the event is delivered once more.
async function forget({ world, chance }: Scene, owners: string): Promise<void> {
  const rows = await world.query(
    'select id from outbox where user_id = any($1::text[]) and dispatched_at is not null order by id',
    [owners],
  )
  const forgotten = arrayOf(chance.shuffle(rows.map(({ id }) => String(id))).slice(0, FORGOTTEN_EACH))
  await world.query('delete from inbox where message_id = any($1::text[])', [forgotten])
  await world.query('update outbox set dispatched_at = null where id = any($1::text[])', [forgotten])
}
