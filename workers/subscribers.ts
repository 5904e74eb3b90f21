import { cacheSubscriber } from '#ai'
import { accountSubscriber } from '#auth'
import { eventReminderSubscriber } from '#calendar'
import { fateSubscriber } from '#effects'
import { deliverySubscriber } from '#notifications'
import { suggestionSubscriber, suggestionTimers } from '#proactivity'
import type { Subscriber } from '#queue'
import { realtimeSubscriber } from '#realtime'
import { reminderSubscriber, scheduleSubscriber } from '#scheduler'
import { webhookSubscriber } from '#webhooks'
import { runSubscriber, triggerSubscriber } from '#workflows'

/** Who reacts to what happens: every consumer of domain events, in no particular order. */
export const subscribers: Subscriber[] = [
  realtimeSubscriber,
  reminderSubscriber,
  eventReminderSubscriber,
  cacheSubscriber,
  webhookSubscriber,
  accountSubscriber,
  scheduleSubscriber,
  deliverySubscriber,
  suggestionTimers,
  suggestionSubscriber,
  triggerSubscriber,
  runSubscriber,
  fateSubscriber,
]
