import { sessionEnded } from '#auth'
import type { Ctx, DomainEvent } from '#core'
import type { Subscriber } from '#queue'
import { meDeleted } from '#users'
import { Topic } from './schema.ts'

/** Every event that has a room goes to the person's sockets; its id makes a second delivery the first one again. */
export const realtimeSubscriber: Subscriber = {
  name: 'realtime',
  wants: () => true,
  async handle(ctx: Ctx, { id, type, userId, room, data }: DomainEvent) {
    const session = ctx.env.USER_SESSION.getByName(userId)
    if (type === sessionEnded.type) await session.endSession(sessionEnded.data.parse(data).id)
    else if (type === meDeleted.type) await session.erase()
    else if (room === null) return
    else {
      const topic = Topic.safeParse(room)
      if (topic.success) await session.publish([{ id, topic: topic.data, event: type, data }])
      else ctx.log.error('realtime.unknown_room', { type, room })
    }
  },
}
