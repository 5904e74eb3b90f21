import { reclaimSubscriber } from '#account'
import { cacheSubscriber } from '#ai'
import { heardSubscriber } from '#assistant'
import { accountSubscriber } from '#auth'
import { eventReminderSubscriber } from '#calendar'
import { commitmentSubscriber } from '#commitments'
import { fateSubscriber } from '#effects'
import { deliverySubscriber } from '#notifications'
import { suggestionNotices, suggestionSubscriber, suggestionTimers } from '#proactivity'
import type { Subscriber } from '#queue'
import { realtimeSubscriber } from '#realtime'
import { reminderSubscriber, scheduleSubscriber } from '#scheduler'
import { webhookSubscriber } from '#webhooks'
import { runSubscriber, triggerSubscriber } from '#workflows'
import { carriers } from './schedule-actions.ts'

/** Who reacts to what happens: every consumer of domain events, in no particular order. */
export const subscribers: Subscriber[] = [
  realtimeSubscriber,
  reminderSubscriber,
  eventReminderSubscriber,
  cacheSubscriber,
  webhookSubscriber,
  accountSubscriber,
  scheduleSubscriber(carriers),
  deliverySubscriber,
  suggestionTimers,
  suggestionSubscriber,
  heardSubscriber,
  commitmentSubscriber,
  suggestionNotices,
  triggerSubscriber,
  runSubscriber,
  fateSubscriber,
  reclaimSubscriber,
]
