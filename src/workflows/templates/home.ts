import { DAY, daily, days, each, labelled, lines, rule, type Template, tasks } from './template.ts'

/** What a household must not forget. */
export const HOME_TEMPLATES: readonly Template[] = [
  {
    key: 'habit_nudge',
    name: 'Habit nudge',
    description: 'In the evening: which of the tasks labelled habit are still open today.',
    category: 'home',
    words: 'habit routine daily repeat exercise reading nudge',
    savesMinutes: 2,
    suits: labelled('habit'),
    definition: {
      ...daily('20:00', 'When to look'),
      oncePer: 'day',
      gather: [tasks('habits', { label: 'habit', due: 'today', limit: 20 })],
      analysis: rule(
        'size(facts.habits) > 0',
        '{{ plural(size(facts.habits), "habit is", "habits are") }} open today',
        'facts.habits',
      ),
      suggestion: {
        kind: 'habit_nudge',
        title: '{{ findings[0].title }}',
        body: lines('facts.habits'),
        expiresMinutes: 240,
      },
      actions: [],
    },
  },
  {
    key: 'bill_due',
    name: 'Bills due',
    description: 'Tasks labelled bill that fall due in the next days, before they are late.',
    category: 'home',
    words: 'bill invoice pay rent subscription money due',
    savesMinutes: 5,
    suits: labelled('bill'),
    definition: {
      ...daily('09:00', 'When to look'),
      parameters: [
        { name: 'at', type: 'time', title: 'When to look', default: '09:00' },
        days('days', 'Due within so many days', 3, 14),
      ],
      priority: 'important',
      oncePer: 'day',
      gather: [tasks('bills', { label: 'bill', limit: 50 })],
      analysis: rule(
        'facts.bills.exists(t, t.due != null && daysBetween(now.date, t.due) <= params.days)',
        '{{ plural(size(facts.bills.filter(t, t.due != null && daysBetween(now.date, t.due) <= params.days)), "bill is", "bills are") }} due within {{ params.days }} days',
        'facts.bills.filter(t, t.due != null && daysBetween(now.date, t.due) <= params.days)',
        0.9,
      ),
      suggestion: {
        kind: 'bill_due',
        title: '{{ findings[0].title }}',
        body: lines('facts.bills.filter(t, t.due != null && daysBetween(now.date, t.due) <= params.days)'),
        expiresMinutes: DAY,
      },
      actions: [
        each(
          'facts.bills.filter(t, t.due != null && daysBetween(now.date, t.due) <= params.days && t.priority != "urgent")',
          {
            id: 'raise',
            do: 'update_task',
            input: { id: '{{ task.id }}', priority: 'urgent' },
          },
        ),
      ],
    },
  },
  {
    key: 'birthday',
    name: 'Birthdays',
    description: 'Tasks labelled birthday: days before, a task to think of a present.',
    category: 'home',
    words: 'birthday present gift anniversary congratulate',
    savesMinutes: 10,
    suits: labelled('birthday'),
    definition: {
      ...daily('09:00', 'When to look'),
      parameters: [
        { name: 'at', type: 'time', title: 'When to look', default: '09:00' },
        days('days', 'So many days before', 7, 30),
      ],
      gather: [tasks('birthdays', { label: 'birthday', limit: 50 })],
      analysis: rule(
        'facts.birthdays.exists(t, t.due != null && daysBetween(now.date, t.due) == params.days)',
        '{{ join(facts.birthdays.filter(t, t.due != null && daysBetween(now.date, t.due) == params.days).map(t, t.title)) }} in {{ params.days }} days',
        'facts.birthdays.filter(t, t.due != null && daysBetween(now.date, t.due) == params.days)',
        0.9,
      ),
      suggestion: {
        kind: 'birthday',
        title: '{{ findings[0].title }}. Think of a present?',
        body: lines('facts.birthdays.filter(t, t.due != null && daysBetween(now.date, t.due) == params.days)'),
        expiresMinutes: DAY,
      },
      actions: [
        each(
          'facts.birthdays.filter(t, t.due != null && daysBetween(now.date, t.due) == params.days)',
          {
            id: 'present',
            do: 'create_task',
            input: {
              title: 'Present: {{ task.title }}',
              due: { date: '{{ addDays(task.due, -1) }}' },
              estimateMinutes: 30,
            },
          },
          5,
        ),
      ],
    },
  },
]
