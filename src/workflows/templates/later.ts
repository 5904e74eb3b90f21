import { becomes, calendar, DAY, daily, each, HOURS_12, lines, rule, type Template, tasks } from './template.ts'

const never = () => null
const moment = (name: string, nth: number) => ({
  date: `{{ facts.free[${nth}].${name}.date }}`,
  time: `{{ facts.free[${nth}].${name}.time }}`,
  timeZone: `{{ facts.free[${nth}].${name}.timeZone }}`,
})
/** Keeps a free stretch, the first or a later one, for what waits. */
const focusIn = (nth: number) => ({
  do: 'create_event',
  input: { title: 'Focus: {{ facts.work[0].title }}', start: moment('local', nth), end: moment('localEnd', nth) },
})

/** What stands on a calendar or on mail: out of sight until what it does and needs is there. */
export const LATER_TEMPLATES: readonly Template[] = [
  {
    key: 'focus_time_guard',
    name: 'Focus-time guard',
    description: 'Where the day has a free stretch and important work waits, the stretch is kept for it.',
    category: 'focus',
    words: 'focus deep work block calendar protect time free',
    savesMinutes: 30,
    suits: ({ open }) => (open >= 5 ? 'You have work that needs undisturbed time' : null),
    definition: {
      ...becomes('!now.isWeekend && size(facts.work) > 0 && size(facts.free) > 0', '08:15', 'Not before'),
      parameters: [
        { name: 'at', type: 'time', title: 'Not before', default: '08:15' },
        { name: 'minutes', type: 'integer', title: 'So many minutes at a time', default: 90, min: 30, max: 240 },
      ],
      oncePer: 'day',
      gather: [
        tasks('work', { due: 'week', priority: ['high', 'urgent'], limit: 5 }),
        {
          name: 'free',
          source: 'free_time',
          query: { from: 'today', to: 'today', minutes: '{{ params.minutes }}', limit: 3 },
        },
      ],
      analysis: rule(
        'size(facts.work) > 0 && size(facts.free) > 0',
        '{{ params.minutes }} free minutes for {{ facts.work[0].title }}',
        'first(facts.work, 1)',
      ),
      suggestion: {
        kind: 'focus_time_guard',
        title: 'Keep {{ findings[0].title }}?',
        body: lines('facts.work'),
        expiresMinutes: 240,
        alternatives: [
          { id: 'later', title: 'At {{ facts.free[1].time }}', when: 'size(facts.free) > 1', ...focusIn(1) },
        ],
      },
      actions: [{ id: 'block', ...focusIn(0) }],
    },
  },
  {
    key: 'meeting_preparation',
    name: 'Meeting preparation',
    description: 'A task to prepare each meeting of tomorrow.',
    category: 'meetings',
    words: 'meeting prepare agenda notes tomorrow',
    savesMinutes: 15,
    suits: never,
    definition: {
      ...daily('17:00', 'When to look', '0-4'),
      requires: ['connected_calendar'],
      oncePer: 'day',
      gather: [calendar('meetings', 'tomorrow', 'tomorrow')],
      analysis: rule(
        'size(facts.meetings) > 0',
        '{{ plural(size(facts.meetings), "meeting", "meetings") }} tomorrow',
        'facts.meetings',
      ),
      suggestion: {
        kind: 'meeting_preparation',
        title: '{{ findings[0].title }}. Prepare?',
        body: lines('facts.meetings'),
        expiresMinutes: HOURS_12,
      },
      actions: [
        each(
          'facts.meetings',
          {
            id: 'prepare',
            do: 'create_task',
            input: { title: 'Prepare: {{ task.title }}', due: { date: '{{ now.date }}' }, estimateMinutes: 15 },
          },
          8,
        ),
      ],
    },
  },
  {
    key: 'standing_meeting_notes',
    name: 'Notes of standing meetings',
    description: 'After the meetings of the day: a task to write down what was agreed.',
    category: 'meetings',
    words: 'meeting notes standup one on one minutes write',
    savesMinutes: 10,
    suits: never,
    definition: {
      ...daily('17:30', 'When to look', '1-5'),
      requires: ['connected_calendar'],
      oncePer: 'day',
      gather: [calendar('meetings', 'today', 'today')],
      analysis: rule(
        'size(facts.meetings) > 0',
        '{{ plural(size(facts.meetings), "meeting", "meetings") }} today',
        'facts.meetings',
      ),
      suggestion: {
        kind: 'standing_meeting_notes',
        title: '{{ findings[0].title }}. Write down what was agreed?',
        body: lines('facts.meetings'),
        expiresMinutes: HOURS_12,
      },
      actions: [
        each(
          'facts.meetings',
          {
            id: 'note',
            do: 'create_task',
            input: { title: 'Notes: {{ task.title }}', due: { date: '{{ now.date }}' }, estimateMinutes: 10 },
          },
          5,
        ),
      ],
    },
  },
  {
    key: 'travel_day',
    name: 'Travel day',
    description: 'The day before you travel: a list of what to pack and to check.',
    category: 'home',
    words: 'travel flight train trip pack checklist',
    savesMinutes: 20,
    suits: never,
    definition: {
      ...daily('16:00', 'When to look'),
      requires: ['connected_calendar'],
      oncePer: 'day',
      gather: [calendar('tomorrow', 'tomorrow', 'tomorrow')],
      analysis: rule(
        'facts.tomorrow.exists(e, ["flight", "train to", "trip", "travel"].exists(w, e.title.lowerAscii().contains(w)))',
        'You travel tomorrow',
        'facts.tomorrow',
        0.7,
      ),
      suggestion: {
        kind: 'travel_day',
        title: 'You travel tomorrow. Make a list?',
        body: lines('facts.tomorrow'),
        expiresMinutes: HOURS_12,
      },
      actions: [
        {
          id: 'pack',
          do: 'create_task',
          input: { title: 'Pack and check in', due: { date: '{{ now.date }}' }, estimateMinutes: 30 },
        },
      ],
    },
  },
  {
    key: 'unanswered_mail',
    name: 'Follow-up on unanswered mail',
    description: 'When somebody has written and waits: a task to answer.',
    category: 'mail',
    words: 'mail email unanswered reply follow up',
    savesMinutes: 15,
    suits: never,
    definition: {
      triggers: [{ kind: 'event', type: 'mail.unanswered' }],
      requires: ['mail'],
      oncePer: 'subject',
      priority: 'routine',
      gather: [],
      analysis: null,
      suggestion: {
        kind: 'unanswered_mail',
        title: 'Answer {{ trigger.data.from }}?',
        body: '{{ trigger.data.subject }}',
        expiresMinutes: DAY,
      },
      actions: [
        {
          id: 'answer',
          do: 'create_task',
          input: { title: 'Answer {{ trigger.data.from }}: {{ trigger.data.subject }}' },
        },
      ],
    },
  },
  {
    key: 'inbox_zero_sweep',
    name: 'Inbox zero sweep',
    description: 'Once a day: a time to empty the inbox.',
    category: 'mail',
    words: 'mail email inbox zero clean sweep archive',
    savesMinutes: 20,
    suits: never,
    definition: {
      ...daily('16:30', 'When to sweep', '1-5'),
      requires: ['mail'],
      oncePer: 'day',
      gather: [],
      analysis: null,
      suggestion: {
        kind: 'inbox_zero_sweep',
        title: 'Empty the inbox?',
        body: 'A quarter of an hour will do.',
        expiresMinutes: 240,
      },
      actions: [
        {
          id: 'sweep',
          do: 'create_task',
          input: { title: 'Empty the inbox', due: { date: '{{ now.date }}' }, estimateMinutes: 15 },
        },
      ],
    },
  },
  {
    key: 'receipts_filing',
    name: 'Receipts filing',
    description: 'When a receipt arrives by mail: it is noted for the books.',
    category: 'mail',
    words: 'receipt invoice expense filing books tax',
    savesMinutes: 10,
    suits: never,
    definition: {
      triggers: [
        { kind: 'event', type: 'mail.received', when: 'trigger.data.subject.lowerAscii().contains("receipt")' },
      ],
      requires: ['mail'],
      oncePer: 'subject',
      priority: 'routine',
      gather: [],
      analysis: null,
      suggestion: {
        kind: 'receipts_filing',
        title: 'File the receipt of {{ trigger.data.from }}?',
        body: '{{ trigger.data.subject }}',
        expiresMinutes: DAY,
      },
      actions: [
        { id: 'file', do: 'create_task', input: { title: 'File: {{ trigger.data.subject }}', labels: ['receipt'] } },
      ],
    },
  },
]
