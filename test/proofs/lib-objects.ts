import type { World } from '../world.ts'
import type { Position } from './lib-listener.ts'

type Timer = { name: string; dueMs: number }

// Behind the API: what an object of a person's says of itself. Miniflare does not know its methods.
type Belief = { part: string | null; week: string | null; yes: number; no: number }
type Objects = {
  getByName(name: string): {
    list(): Promise<Timer[]>
    publish(events: []): Promise<Position>
    learning(ask: { do: 'show' }): Promise<{ lines: Belief[] }>
  }
}

export async function objects(world: Pick<World, 'worker'>, binding: string): Promise<Objects> {
  return (await world.worker.miniflare.getDurableObjectNamespace(binding)) as unknown as Objects
}

/** What waits in a person's Steward. */
export async function timersOf(world: Pick<World, 'worker'>, userId: string): Promise<Timer[]> {
  return await (await objects(world, 'STEWARD')).getByName(userId).list()
}

/** Where a person's log stands, also when they are gone and nobody can ask for them. */
export async function logPosition(world: Pick<World, 'worker'>, userId: string): Promise<Position> {
  const { epoch, offset } = await (await objects(world, 'USER_SESSION')).getByName(userId).publish([])
  return { epoch, offset }
}
