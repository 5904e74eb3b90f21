import { cacheSubscriber } from '#ai'
import { emailSubscriber } from '#email'
import type { Subscriber } from '#queue'
import { realtimeSubscriber } from '#realtime'
import { reminderSubscriber } from '#scheduler'

/** Who reacts to what happens: every consumer of domain events, in no particular order. */
export const subscribers: Subscriber[] = [realtimeSubscriber, reminderSubscriber, cacheSubscriber, emailSubscriber]
