import { sendQueuedMail } from '#email'
import type { JobHandler, JobQueue } from '#queue'

/** What each queue carries: who does the work of every kind of job. */
export const handlers: Readonly<Record<JobQueue, Readonly<Record<string, JobHandler>>>> = {
  email: { send_mail: sendQueuedMail },
  'ai-tasks': {},
  integrations: {},
  notifications: {},
  analytics: {},
}
