import {
  allDue,
  becomes,
  calendar,
  DAY,
  daily,
  each,
  HOURS_12,
  lines,
  rule,
  type Template,
  tasks,
  WEEK,
  weekly,
} from './template.ts'

/** What begins and ends a day, a week, a month. */
export const DAY_TEMPLATES: readonly Template[] = [
  {
    key: 'morning_brief',
    name: 'Morning brief',
    description: 'What today holds: meetings, what is due, and what is late.',
    category: 'day',
    words: 'today agenda summary start overview daily briefing',
    savesMinutes: 10,
    suits: ({ open }) => (open >= 3 ? 'You have enough going on to want a look at it in the morning' : null),
    definition: {
      ...daily('08:00', 'When the brief comes', '1-5'),
      oncePer: 'day',
      gather: [
        tasks('today', { due: 'today', limit: 20 }),
        tasks('overdue', { due: 'overdue', limit: 10 }),
        calendar('events', 'today', 'today'),
      ],
      analysis: rule(
        'size(facts.today) + size(facts.overdue) + size(facts.events) > 0',
        '{{ plural(size(facts.today), "task", "tasks") }} due today, {{ size(facts.overdue) }} late, {{ plural(size(facts.events), "meeting", "meetings") }}',
        'facts.today + facts.overdue + facts.events',
        0.9,
      ),
      suggestion: {
        kind: 'morning_brief',
        title: 'Your {{ now.weekday }}: {{ findings[0].title }}',
        body: `{{ size(facts.events) > 0 ? "Meetings\\n" : "" }}${lines('facts.events')}\nDue today\n${lines('facts.today')}\n{{ size(facts.overdue) > 0 ? "Late\\n" : "" }}${lines('facts.overdue')}`,
        expiresMinutes: HOURS_12,
      },
      actions: [],
    },
  },
  {
    key: 'evening_review',
    name: 'Evening review',
    description: 'What you got done, and what is left moved to tomorrow with one tap.',
    category: 'day',
    words: 'day end wrap up done tomorrow reschedule daily shutdown',
    savesMinutes: 10,
    suits: ({ dueToday }) => (dueToday >= 2 ? 'Several tasks are due today' : null),
    definition: {
      ...daily('18:00', 'When the day ends', '1-5'),
      oncePer: 'day',
      gather: [
        tasks('done', { status: 'completed', completedSince: 'today', limit: 50 }),
        tasks('left', { due: 'today', limit: 20 }),
      ],
      analysis: rule(
        'size(facts.done) + size(facts.left) > 0',
        '{{ plural(size(facts.done), "task", "tasks") }} done, {{ size(facts.left) }} left',
        'facts.done + facts.left',
        0.85,
      ),
      suggestion: {
        kind: 'evening_review',
        title: 'Today: {{ findings[0].title }}',
        body: `{{ size(facts.left) > 0 ? "Move to tomorrow?\\n" : "Nothing is left." }}${lines('facts.left')}`,
        expiresMinutes: 300,
        alternatives: [allDue('undated', 'Take their date away', 'facts.left', 'null')],
      },
      actions: [
        each('facts.left', {
          id: 'move',
          do: 'update_task',
          input: { id: '{{ task.id }}', due: { date: '{{ addDays(now.date, 1) }}' } },
        }),
      ],
    },
  },
  {
    key: 'weekly_planning',
    name: 'Weekly planning',
    description: 'A look at the week to come, and a task that holds the plan.',
    category: 'day',
    words: 'week plan review ahead sunday friday schedule',
    savesMinutes: 20,
    suits: ({ open }) => (open >= 8 ? 'You have many open tasks to spread over a week' : null),
    definition: {
      ...weekly('sunday', '17:00'),
      oncePer: 'week',
      gather: [
        tasks('week', { due: 'week', limit: 50 }),
        tasks('overdue', { due: 'overdue', limit: 20 }),
        tasks('undated', { due: 'none', limit: 20 }),
      ],
      analysis: rule(
        'size(facts.week) + size(facts.overdue) + size(facts.undated) > 0',
        '{{ size(facts.week) }} due in the next seven days, {{ size(facts.overdue) }} late, {{ size(facts.undated) }} without a date',
        'facts.week + facts.overdue',
      ),
      suggestion: {
        kind: 'weekly_planning',
        title: 'Plan your week: {{ findings[0].title }}',
        body: `This week\n${lines('facts.week')}\nWithout a date\n${lines('first(facts.undated, 10)')}`,
        expiresMinutes: DAY,
      },
      actions: [
        {
          id: 'plan',
          do: 'create_task',
          input: {
            title: 'Plan the week of {{ addDays(now.date, 1) }}',
            notes: `Due\n${lines('facts.week')}\nLate\n${lines('facts.overdue')}`,
            due: { date: '{{ addDays(now.date, 1) }}' },
            estimateMinutes: 30,
          },
        },
      ],
    },
  },
  {
    key: 'monthly_review',
    name: 'Monthly review',
    description: 'On the first of the month: what the last weeks brought, and a time to look back.',
    category: 'day',
    words: 'month retrospective look back progress',
    savesMinutes: 15,
    suits: ({ completedLastWeeks }) =>
      completedLastWeeks >= 20 ? 'You finish enough for a look back to be worth it' : null,
    definition: {
      parameters: [{ name: 'at', type: 'time', title: 'Time', default: '09:00' }],
      triggers: [
        {
          kind: 'rrule',
          start: { date: '2026-01-01', time: '09:00' },
          rrule: 'FREQ=MONTHLY;BYMONTHDAY=1',
          missed: 'once',
        },
        { kind: 'manual' },
      ],
      priority: 'routine',
      gather: [
        { name: 'insights', source: 'insights' },
        tasks('done', { status: 'completed', completedSince: '{{ addDays(now.date, -30) }}', limit: 100 }),
      ],
      analysis: rule(
        'size(facts.done) > 0',
        '{{ plural(size(facts.done), "task", "tasks") }} done in thirty days',
        'first(facts.done, 10)',
      ),
      suggestion: {
        kind: 'monthly_review',
        title: 'Your month: {{ findings[0].title }}',
        body: `${lines('first(facts.done, 15)')}`,
        expiresMinutes: WEEK,
      },
      actions: [
        {
          id: 'review',
          do: 'create_task',
          input: {
            title: 'Look back at the month',
            due: { date: '{{ now.date }}', time: '{{ params.at }}' },
            estimateMinutes: 30,
          },
        },
      ],
    },
  },
  {
    key: 'streak_keeper',
    name: 'Keep the streak',
    description: 'In the afternoon, where nothing is done yet today: the smallest task to begin with.',
    category: 'day',
    words: 'streak nothing done today motivation start small habit',
    savesMinutes: 5,
    suits: ({ streakDays }) => (streakDays >= 3 ? `You have finished something ${streakDays} days in a row` : null),
    definition: {
      ...becomes('size(facts.done) == 0 && size(facts.open) > 0', '16:00', 'When to look'),
      oncePer: 'day',
      gather: [
        tasks('done', { status: 'completed', completedSince: 'today', limit: 1 }),
        tasks('open', { due: 'week', limit: 20 }),
        { name: 'insights', source: 'insights' },
      ],
      analysis: rule(
        'size(facts.done) == 0 && size(facts.open) > 0',
        'Nothing done yet today',
        'first(facts.open.filter(t, t.estimateMinutes != null && t.estimateMinutes <= 30) + facts.open, 1)',
        0.7,
      ),
      suggestion: {
        kind: 'streak_keeper',
        title: 'Nothing done yet today. Begin with a small one?',
        body: lines(
          'first(facts.open.filter(t, t.estimateMinutes != null && t.estimateMinutes <= 30) + facts.open, 3)',
        ),
        expiresMinutes: 300,
      },
      actions: [],
    },
  },
]
