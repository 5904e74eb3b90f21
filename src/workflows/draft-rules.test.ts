import { expect, test } from 'vitest'
import { type Drafted, draftByRules, type Unread } from './draft-rules.ts'
import { effectInputs } from './kinds.ts'
import { faultsOf } from './validate.ts'

// A Monday, eleven in the morning in Berlin.
const AT = { now: '2026-11-23T10:00:00.000Z', timeZone: 'Europe/Berlin' }

const CRON = (cron: string) => ({ kind: 'cron', cron })
const EVENT = (type: string, when?: string) => ({ kind: 'event', type, ...(when !== undefined && { when }) })

type Wanted = { template?: string; params?: object; trigger?: object; does?: [string, string][] }

const SENTENCES: [string, Wanted][] = [
  ['every weekday at 8 tell me what is due', { template: 'morning_brief', params: { at: '08:00' } }],
  ['every morning tell me what is on my plate', { template: 'morning_brief', trigger: CRON('0 9 * * *') }],
  ['every day at 7:15 give me a briefing', { template: 'morning_brief', trigger: CRON('15 7 * * *') }],
  ['on weekdays at 7:30 am send me an overview of my day', { template: 'morning_brief', params: { at: '07:30' } }],
  [
    'every friday at 16 ask me to plan next week',
    { template: 'weekly_planning', params: { at: '16:00', on: 'friday' } },
  ],
  ['Plan my week every Sunday at 5pm', { template: 'weekly_planning', params: { at: '17:00', on: 'sunday' } }],
  ['remind me to plan the coming week every monday at 8:30', { template: 'weekly_planning', params: { on: 'monday' } }],
  ['weekly planning', { template: 'weekly_planning', params: {} }],
  ['every evening at 18:30 show me what I got done', { template: 'evening_review', trigger: CRON('30 18 * * *') }],
  ['on weekdays at 17:45 wrap up my day', { template: 'evening_review', params: { at: '17:45' } }],
  ['Every day at 20:30 nudge me about my habits', { template: 'habit_nudge', params: { at: '20:30' } }],
  ['tell me three days before a bill is due', { template: 'bill_due', params: { days: 3 } }],
  [
    'warn me about bills five days before they are due, at 8 in the morning',
    { template: 'bill_due', params: { days: 5 } },
  ],
  ['tell me about birthdays 10 days ahead', { template: 'birthday', params: { days: 10 } }],
  [
    'keep my streak: every day at 4pm suggest a small task if nothing is done yet',
    { template: 'streak_keeper', params: { at: '16:00' } },
  ],
  ['protect my focus time', { template: 'focus_time_guard' }],
  [
    'every sunday at 10 show me tasks without a due date',
    { template: 'undated_sweep', params: { on: 'sunday', at: '10:00' } },
  ],
  ['every evening at 7pm tell me what is due tomorrow', { template: 'deadline_tomorrow', params: { at: '19:00' } }],
  ['when I finish something suggest the next task', { template: 'done_and_next' }],
  ['every weekday at 9:30 go through my overdue tasks', { template: 'overdue_triage', params: { at: '09:30' } }],
  [
    'sort out my late tasks when there are at least 5 overdue tasks',
    { template: 'overdue_triage', params: { most: 5 } },
  ],
  ['look back at last month on the first of every month', { template: 'monthly_review' }],
  ['every monday at 9 list what I am waiting for', { template: 'waiting_for', params: { on: 'monday', at: '09:00' } }],
  ['help me break down big tasks', { template: 'big_task_split' }],
  [
    'when a task is overdue for three days remind me',
    {
      trigger: CRON('0 9 * * *'),
      does: [
        [
          'notify',
          '{{ plural(size(facts.late), "task is", "tasks are") }} overdue: {{ join(facts.late.map(t, t.title)) }}',
        ],
      ],
    },
  ],
  ['if any task is late for more than a week, tell me to sort it out', { does: [['notify', 'Sort it out']] }],
  [
    'remind me every 2 hours to drink water',
    { trigger: { kind: 'every', minutes: 120 }, does: [['notify', 'Drink water']] },
  ],
  ['every 45 minutes ping me to stretch', { trigger: { kind: 'every', minutes: 45 }, does: [['notify', 'Stretch']] }],
  [
    'Every day at noon remind me to take my pills',
    { trigger: CRON('0 12 * * *'), does: [['notify', 'Take my pills']] },
  ],
  [
    'each monday and thursday at 18:00 nudge me to train',
    { trigger: CRON('0 18 * * 1,4'), does: [['notify', 'Train']] },
  ],
  [
    'on the first of every month remind me to pay the bills',
    { trigger: { kind: 'rrule', rrule: 'FREQ=MONTHLY;BYMONTHDAY=1' }, does: [['notify', 'Pay the bills']] },
  ],
  [
    'every other tuesday at 7pm remind me to put out the bins',
    { trigger: { kind: 'rrule', rrule: 'FREQ=WEEKLY;INTERVAL=2;BYDAY=TU' }, does: [['notify', 'Put out the bins']] },
  ],
  [
    'every friday at 15:00 create a task to clean my desk',
    { trigger: CRON('0 15 * * 5'), does: [['create_task', 'Clean my desk']] },
  ],
  [
    'add "water the plants" to my tasks every saturday morning',
    { trigger: CRON('0 9 * * 6'), does: [['create_task', 'Water the plants']] },
  ],
  [
    'Create a workflow that adds a task to back up my laptop every sunday at 20:00',
    { trigger: CRON('0 20 * * 0'), does: [['create_task', 'Back up my laptop']] },
  ],
  [
    'Make an automation: every weekday at 12:30 tell me to have lunch',
    { trigger: CRON('30 12 * * 1-5'), does: [['notify', 'Have lunch']] },
  ],
  ['when I complete a task tell me "well done"', { trigger: EVENT('task.completed'), does: [['notify', 'Well done']] }],
  [
    'whenever a task is completed, notify me',
    { trigger: EVENT('task.completed'), does: [['notify', 'Done: {{ trigger.data.title }}']] },
  ],
  [
    'when I finish a task labelled invoice create a task to file it',
    {
      trigger: EVENT('task.completed', 'trigger.data.labels.exists(l, l == "invoice")'),
      does: [['create_task', 'File it']],
    },
  ],
  [
    'when a meeting is booked, create a task to prepare the room',
    { trigger: EVENT('event.created'), does: [['create_task', 'Prepare the room']] },
  ],
  [
    'let me know when an event is cancelled',
    { trigger: EVENT('event.deleted'), does: [['notify', 'Cancelled: {{ trigger.data.title }}']] },
  ],
  [
    'notify me whenever a task is deleted',
    { trigger: EVENT('task.deleted'), does: [['notify', 'Deleted: {{ trigger.data.title }}']] },
  ],
  [
    'When my calendar event is moved alert me to check the trains',
    { trigger: EVENT('event.updated'), does: [['notify', 'Check the trains']] },
  ],
  [
    '30 minutes before a meeting, remind me to read my notes',
    { trigger: EVENT('event.soon', 'trigger.data.minutes == 30'), does: [['notify', 'Read my notes']] },
  ],
  [
    'create a task to pack my bag an hour before every appointment starts',
    { trigger: EVENT('event.soon', 'trigger.data.minutes == 60'), does: [['create_task', 'Pack my bag']] },
  ],
  [
    'when an event begins in 2 hours tell me',
    {
      trigger: EVENT('event.soon', 'trigger.data.minutes == 120'),
      does: [['notify', 'Soon: {{ trigger.data.title }}']],
    },
  ],
  [
    'half an hour before my next meeting alert me to leave',
    { trigger: EVENT('event.soon', 'trigger.data.minutes == 30'), does: [['notify', 'Leave']] },
  ],
  [
    'when I promise something remind me to write it down',
    { trigger: EVENT('commitment.created'), does: [['notify', 'Write it down']] },
  ],
  [
    'every time I add a task tagged urgent ping me',
    { trigger: EVENT('task.created', 'trigger.data.labels.exists(l, l == "urgent")') },
  ],
  [
    'when my webhook is called create a task to look at the build',
    { trigger: { kind: 'webhook' }, does: [['create_task', 'Look at the build']] },
  ],
  ['when I run it, add a task to pack my bag', { trigger: { kind: 'manual' }, does: [['create_task', 'Pack my bag']] }],
  [
    'tomorrow at 9 remind me to call Ana',
    { trigger: { kind: 'at', at: { date: '2026-11-24', time: '09:00' } }, does: [['notify', 'Call Ana']] },
  ],
  [
    'every monday at 9 remind me to check the numbers and create a task to send the report',
    {
      trigger: CRON('0 9 * * 1'),
      does: [
        ['notify', 'Check the numbers'],
        ['create_task', 'Send the report'],
      ],
    },
  ],
  [
    'please set up a routine that pings me to stand up every hour',
    { trigger: { kind: 'every', minutes: 60 }, does: [['notify', 'Stand up']] },
  ],
  ['tell me {{ secret }} every day at 10', { trigger: CRON('0 10 * * *'), does: [['notify', '{ { secret }}']] }],
]

const UNCLEAR: [string, RegExp][] = [
  ['make my life better', /make my life better/],
  ['remind me to call Ana', /remind me to call Ana/],
  ['every day at 9', /what to do/],
  ['when it rains remind me to take an umbrella', /it rains/],
  ['when the stock falls below 10 sell everything', /the stock falls/],
  ['every day at 8 tell me what the weather is', /what the weather is/],
  ['every friday at 5 book a table at the usual place', /book a table/],
  ['sweep my inbox every afternoon', /inbox/],
  ['tell me about unanswered mail', /unanswered mail/],
  ["every day at 17:00 help me prepare for tomorrow's meetings", /meetings/],
  ['', /^$|what/],
]

const isDrafted = (made: Drafted | Unread): made is Drafted => 'definition' in made

test('what people say becomes a workflow that can be run', async () => {
  const wrong: string[] = []
  for (const [text, wanted] of SENTENCES) {
    const made = await draftByRules(text, AT)
    if (!isDrafted(made)) {
      wrong.push(`${text}: not understood: ${made.notUnderstood.join()}`)
      continue
    }
    const faults = await faultsOf(made.definition, effectInputs())
    if (faults.length > 0) wrong.push(`${text}: ${JSON.stringify(faults)}`)
    const does = made.definition.actions.flatMap((step) => ('do' in step ? [[step.do, step.input['title']]] : []))
    const got = {
      template: made.template ?? undefined,
      params: made.params,
      trigger: made.definition.triggers[0],
      does,
    }
    try {
      const { template, params = {}, trigger = {}, does: steps } = wanted
      expect(got.template).toBe(template)
      expect(got.params).toMatchObject(params)
      expect(got.trigger).toMatchObject(trigger)
      if (steps) expect(got.does).toEqual(steps)
      expect(made.notUnderstood).toEqual([])
    } catch {
      wrong.push(`${text}: ${JSON.stringify(got)}`)
    }
  }
  console.log(`drafts: ${SENTENCES.length - wrong.length} of ${SENTENCES.length} sentences`)
  expect(wrong).toEqual([])
})

test.each(UNCLEAR)('of "%s" it is said what was not understood', async (text, named) => {
  const made = await draftByRules(text, AT)
  expect(isDrafted(made) ? made : made.notUnderstood.join()).toMatch(named)
})

test('what a template does not do of the sentence is told', async () => {
  const left = async (text: string) => (await draftByRules(text, AT)).notUnderstood
  expect(await left('when three tasks are overdue and the next hour is free, suggest one')).toEqual([
    'the next hour is free',
  ])
  expect(await left('every day at 8 tell me what is due, and what the weather is')).toEqual(['what the weather is'])
})

test('what it does is told in words', async () => {
  const says = async (text: string) => {
    const made = await draftByRules(text, AT)
    return isDrafted(made) ? made.says : made.because
  }
  expect(await says('each monday and thursday at 18:00 nudge me to train')).toBe(
    'Every Monday and Thursday at 18:00: tell you \u201cTrain\u201d.',
  )
  expect(await says('when I finish a task labelled invoice create a task to file it')).toBe(
    'When a task is completed with the label invoice: create the task \u201cFile it\u201d.',
  )
  expect(await says('a day before a meeting remind me to read the agenda')).toBe(
    '1 day before each event that has a reminder then: tell you \u201cRead the agenda\u201d.',
  )
  expect(await says('every friday at 16 ask me to plan next week')).toContain('Every Friday at 16:00: Weekly planning.')
})
