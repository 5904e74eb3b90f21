import { cacheSubscriber } from '#ai'
import { accountSubscriber } from '#auth'
import { eventReminderSubscriber } from '#calendar'
import { emailSubscriber } from '#email'
import { suggestionSubscriber, suggestionTimers } from '#proactivity'
import type { Subscriber } from '#queue'
import { realtimeSubscriber } from '#realtime'
import { reminderSubscriber } from '#scheduler'
import { webhookSubscriber } from '#webhooks'
import { runSubscriber, triggerSubscriber } from '#workflows'

/** Who reacts to what happens: every consumer of domain events, in no particular order. */
export const subscribers: Subscriber[] = [
  realtimeSubscriber,
  reminderSubscriber,
  eventReminderSubscriber,
  cacheSubscriber,
  emailSubscriber,
  webhookSubscriber,
  accountSubscriber,
  runSubscriber,
  suggestionTimers,
  suggestionSubscriber,
  triggerSubscriber,
]
