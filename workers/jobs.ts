import { askScheduled } from '#assistant'
import { sendQueuedMail } from '#email'
import { deliverNotifications } from '#notifications'
import { keepDismissed } from '#proactivity'
import type { JobHandler, JobQueue } from '#queue'
import { sendWebhooks } from '#webhooks'

/** What each queue carries: who does the work of every kind of job. */
export const handlers: Readonly<Record<JobQueue, Readonly<Record<string, JobHandler>>>> = {
  email: { send_mail: sendQueuedMail },
  'ai-tasks': { ask_assistant: askScheduled },
  integrations: { send_webhooks: sendWebhooks },
  notifications: { deliver_notifications: deliverNotifications },
  analytics: { keep_meaning: keepDismissed },
}
