import {
  allDue,
  becomes,
  DAY,
  daily,
  days,
  each,
  HOURS_12,
  labelled,
  lines,
  rule,
  type Template,
  tasks,
  WEEK,
  weekly,
} from './template.ts'

const FIRST_STEP = {
  title:
    'First step: {{ facts.week.filter(t, t.status == "pending" && t.estimateMinutes != null && t.estimateMinutes >= 120)[0].title }}',
  estimateMinutes: 30,
}

/** What keeps a list of tasks true. */
export const TASK_TEMPLATES: readonly Template[] = [
  {
    key: 'overdue_triage',
    name: 'Overdue triage',
    description: 'What has been late for days: one tap gives all of it a new day.',
    category: 'tasks',
    words: 'late overdue reschedule backlog catch up triage',
    savesMinutes: 15,
    suits: ({ overdue }) => (overdue >= 3 ? `${overdue} of your tasks are overdue` : null),
    definition: {
      ...becomes('!now.isWeekend && size(facts.overdue) >= params.most', '09:30', 'Not before'),
      parameters: [
        { name: 'at', type: 'time', title: 'Not before', default: '09:30' },
        days('days', 'Late for at least so many days', 2),
        days('most', 'From so many tasks on', 3),
      ],
      oncePer: 'day',
      gather: [tasks('overdue', { due: 'overdue', overdueDays: '{{ params.days }}', limit: 20 })],
      analysis: rule(
        'size(facts.overdue) >= params.most',
        '{{ size(facts.overdue) }} {{ size(facts.overdue) == 1 ? "task is" : "tasks are" }} late by {{ params.days }} {{ params.days == 1 ? "day" : "days" }} or more',
        'facts.overdue',
        0.85,
      ),
      suggestion: {
        kind: 'overdue_triage',
        title: '{{ findings[0].title }}. Give them a new day?',
        body: `Due tomorrow, then:\n${lines('facts.overdue')}`,
        expiresMinutes: DAY,
        alternatives: [
          allDue('today', 'Do them today', 'facts.overdue', '{"date": now.date}'),
          allDue('next_week', 'Give them a week', 'facts.overdue', '{"date": addDays(now.date, 7)}'),
        ],
      },
      actions: [
        each('facts.overdue', {
          id: 'move',
          do: 'update_task',
          input: { id: '{{ task.id }}', due: { date: '{{ addDays(now.date, 1) }}' } },
        }),
      ],
    },
  },
  {
    key: 'waiting_for',
    name: 'Waiting-for list',
    description: 'Tasks labelled waiting that have waited long: a task to ask again for each.',
    category: 'tasks',
    words: 'waiting delegated follow up ask again blocked others',
    savesMinutes: 10,
    suits: labelled('waiting'),
    definition: {
      ...weekly('monday', '09:00'),
      parameters: [
        { name: 'on', type: 'weekday', title: 'Day', default: 'monday' },
        { name: 'at', type: 'time', title: 'Time', default: '09:00' },
        days('days', 'Waiting for at least so many days', 7),
      ],
      oncePer: 'week',
      gather: [tasks('waiting', { label: 'waiting', limit: 50 })],
      analysis: rule(
        'facts.waiting.exists(t, daysBetween(t.createdAt, now.date) >= params.days)',
        '{{ size(facts.waiting.filter(t, daysBetween(t.createdAt, now.date) >= params.days)) }} have kept you waiting for {{ params.days }} days',
        'facts.waiting.filter(t, daysBetween(t.createdAt, now.date) >= params.days)',
      ),
      suggestion: {
        kind: 'waiting_for',
        title: '{{ findings[0].title }}. Ask again?',
        body: lines('facts.waiting.filter(t, daysBetween(t.createdAt, now.date) >= params.days)'),
        expiresMinutes: WEEK,
      },
      actions: [
        each(
          'facts.waiting.filter(t, daysBetween(t.createdAt, now.date) >= params.days)',
          {
            id: 'ask',
            do: 'create_task',
            input: { title: 'Ask again: {{ task.title }}', due: { date: '{{ now.date }}' }, estimateMinutes: 5 },
          },
          10,
        ),
      ],
    },
  },
  {
    key: 'deadline_tomorrow',
    name: 'Due tomorrow',
    description: 'In the evening: what is due tomorrow and important, so that nothing surprises you.',
    category: 'tasks',
    words: 'deadline tomorrow heads up important prepare',
    savesMinutes: 5,
    suits: ({ open }) => (open >= 5 ? 'You have tasks with dates' : null),
    definition: {
      ...daily('19:00', 'When to look'),
      oncePer: 'day',
      gather: [tasks('tomorrow', { due: 'tomorrow', priority: ['high', 'urgent'], limit: 20 })],
      analysis: rule(
        'size(facts.tomorrow) > 0',
        '{{ plural(size(facts.tomorrow), "important task", "important tasks") }} due tomorrow',
        'facts.tomorrow',
      ),
      suggestion: {
        kind: 'deadline_tomorrow',
        title: '{{ findings[0].title }}',
        body: lines('facts.tomorrow'),
        expiresMinutes: HOURS_12,
      },
      actions: [],
    },
  },
  {
    key: 'undated_sweep',
    name: 'Tasks without a date',
    description: 'Once a week: what has no date, so that it is planned or let go.',
    category: 'tasks',
    words: 'someday undated no due date backlog cleanup stale',
    savesMinutes: 10,
    suits: ({ undated }) => (undated >= 10 ? `${undated} of your tasks have no date` : null),
    definition: {
      ...weekly('friday', '15:00'),
      oncePer: 'week',
      gather: [tasks('undated', { due: 'none', limit: 50 })],
      analysis: rule(
        'facts.undated.exists(t, daysBetween(t.createdAt, now.date) >= 14)',
        '{{ size(facts.undated.filter(t, daysBetween(t.createdAt, now.date) >= 14)) }} tasks have had no date for two weeks',
        'facts.undated.filter(t, daysBetween(t.createdAt, now.date) >= 14)',
        0.7,
      ),
      suggestion: {
        kind: 'undated_sweep',
        title: '{{ findings[0].title }}. Look through them?',
        body: lines('first(facts.undated.filter(t, daysBetween(t.createdAt, now.date) >= 14), 15)'),
        expiresMinutes: WEEK,
      },
      actions: [
        {
          id: 'sweep',
          do: 'create_task',
          input: {
            title: 'Plan or drop what has no date',
            notes: lines('facts.undated.filter(t, daysBetween(t.createdAt, now.date) >= 14)'),
            due: { date: '{{ now.date }}' },
            estimateMinutes: 20,
          },
        },
      ],
    },
  },
  {
    key: 'big_task_split',
    name: 'Split what is large',
    description: 'A task of hours that is due soon: a first step of half an hour, today.',
    category: 'tasks',
    words: 'large big break down split procrastination first step',
    savesMinutes: 10,
    suits: ({ open }) => (open >= 10 ? 'Among many tasks the large ones wait longest' : null),
    definition: {
      ...daily('10:00', 'When to look', '1-5'),
      oncePer: 'day',
      gather: [tasks('week', { due: 'week', limit: 50 })],
      analysis: rule(
        'facts.week.exists(t, t.status == "pending" && t.estimateMinutes != null && t.estimateMinutes >= 120)',
        '{{ facts.week.filter(t, t.status == "pending" && t.estimateMinutes != null && t.estimateMinutes >= 120)[0].title }} takes hours and is due this week',
        'first(facts.week.filter(t, t.status == "pending" && t.estimateMinutes != null && t.estimateMinutes >= 120), 1)',
        0.7,
      ),
      suggestion: {
        kind: 'big_task_split',
        title: '{{ findings[0].title }}. Take a first step today?',
        body: 'Half an hour is a beginning.',
        expiresMinutes: HOURS_12,
        alternatives: [
          {
            id: 'tomorrow',
            title: 'Take it tomorrow',
            do: 'create_task',
            input: { ...FIRST_STEP, due: { date: '{{ addDays(now.date, 1) }}' } },
          },
        ],
      },
      actions: [
        {
          id: 'begin',
          do: 'create_task',
          input: { ...FIRST_STEP, due: { date: '{{ now.date }}' } },
        },
      ],
    },
  },
  {
    key: 'done_and_next',
    name: 'What comes next',
    description: 'When you complete an important task: the next important one of the week.',
    category: 'tasks',
    words: 'next after completed momentum continue',
    savesMinutes: 2,
    suits: ({ completedLastWeeks }) => (completedLastWeeks >= 15 ? 'You finish tasks often' : null),
    definition: {
      triggers: [{ kind: 'event', type: 'task.completed', when: 'trigger.data.priority in ["high", "urgent"]' }],
      debounceSeconds: 60,
      throttle: { count: 3, perMinutes: DAY },
      priority: 'routine',
      gather: [tasks('next', { due: 'week', priority: ['high', 'urgent'], limit: 5 })],
      analysis: rule('size(facts.next) > 0', 'Next: {{ facts.next[0].title }}', 'first(facts.next, 1)', 0.6),
      suggestion: {
        kind: 'done_and_next',
        title: 'Well done. {{ findings[0].title }}?',
        body: lines('facts.next'),
        expiresMinutes: 180,
      },
      actions: [],
    },
  },
]
