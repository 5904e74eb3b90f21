import { sessionEnded } from '#auth'
import type { Ctx, DomainEvent } from '#core'
import { keyRevoked } from '#keys'
import type { Subscriber } from '#queue'
import type { NewEvent } from './log.ts'
import { Topic } from './schema.ts'

/** Every event that has a room goes to the person's sockets; its id makes a second delivery the first one again. */
export const realtimeSubscriber: Subscriber = {
  name: 'realtime',
  wants: () => true,
  async handle(ctx: Ctx, events: DomainEvent[]) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const session = ctx.env.USER_SESSION.getByName(userId)
    // What ends comes before what is told.
    for (const { type, data } of events) {
      if (type === sessionEnded.type) await session.endSession(sessionEnded.data.parse(data).id)
      if (type === keyRevoked.type) await session.endSession(keyRevoked.data.parse(data).id)
    }
    const told = events.flatMap((event) => toTold(ctx, event))
    if (told.length > 0) await session.publish(told)
  },
}

function toTold(ctx: Ctx, { id, type, room, data }: DomainEvent): NewEvent[] {
  if (room === null) return []
  const topic = Topic.safeParse(room)
  if (topic.success) return [{ id, topic: topic.data, event: type, data }]
  ctx.log.error('realtime.unknown_room', { type, room })
  return []
}
