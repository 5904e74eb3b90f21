import type { Template } from './schema.ts'

type Notify = Template['schedule']['action']
const notify = (title: string, body: string): Notify => ({ kind: 'notify', title, body, priority: 'medium' })

/** Schedules that are ready to be made, in the person's own zone. */
export const TEMPLATES: Template[] = [
  {
    id: 'plan_the_day',
    description: 'On workdays, before the day begins',
    schedule: {
      name: 'Plan the day',
      when: { kind: 'cron', cron: '30 8 * * MON-FRI' },
      missed: 'skip',
      action: notify('Plan the day', 'What are the three things that matter today?'),
    },
  },
  {
    id: 'close_the_day',
    description: 'On workdays, when they end',
    schedule: {
      name: 'Close the day',
      when: { kind: 'cron', cron: '30 17 * * MON-FRI' },
      missed: 'skip',
      action: notify('Close the day', 'What is done, and what waits until tomorrow?'),
    },
  },
  {
    id: 'weekly_review',
    description: 'On Fridays, in the afternoon',
    schedule: {
      name: 'Weekly review',
      when: { kind: 'cron', cron: '0 15 * * FRI' },
      missed: 'once',
      action: notify('Weekly review', 'Look through open tasks and the week to come.'),
    },
  },
  {
    id: 'pay_the_bills',
    description: 'On the first of each month',
    schedule: {
      name: 'Pay the bills',
      when: { kind: 'cron', cron: '0 9 1 * *' },
      missed: 'once',
      action: notify('Pay the bills', 'Rent, insurance, subscriptions.'),
    },
  },
  {
    id: 'stand_up',
    description: 'Each hour of a workday',
    schedule: {
      name: 'Stand up',
      when: { kind: 'cron', cron: '0 10-16 * * MON-FRI' },
      missed: 'skip',
      action: notify('Stand up', 'Two minutes away from the desk.'),
    },
  },
]
