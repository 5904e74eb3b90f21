import type { Template } from './schema.ts'

type Notify = Extract<Template['schedule']['action'], { kind: 'notify' }>
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
    id: 'ask_for_the_day',
    description: 'On workdays, the assistant says what the day holds',
    schedule: {
      name: 'What the day holds',
      when: { kind: 'cron', cron: '0 8 * * MON-FRI' },
      missed: 'skip',
      action: {
        kind: 'ask_assistant',
        text: 'What is on my calendar today, which tasks are due, and what is late? In a few lines.',
      },
    },
  },
  {
    id: 'ask_for_the_week',
    description: 'On Sundays, the assistant looks at the week to come',
    schedule: {
      name: 'The week to come',
      when: { kind: 'cron', cron: '0 18 * * SUN' },
      missed: 'once',
      action: { kind: 'ask_assistant', text: 'Look at my next seven days: what is tight, and what should I prepare?' },
    },
  },
  {
    id: 'weekly_report',
    description: 'On Fridays, a task to write the report',
    schedule: {
      name: 'Weekly report',
      when: { kind: 'cron', cron: '0 9 * * FRI' },
      missed: 'once',
      action: {
        kind: 'effect',
        do: 'create_task',
        input: { title: 'Write the weekly report', estimateMinutes: 30, labels: ['report'] },
      },
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
