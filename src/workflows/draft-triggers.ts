import type { ReadTime } from '#ai'
import type { Definition, Trigger } from './definition.ts'

/** What sets a drafted workflow off: with the facts it looks at, in words, and what there is to say of it. */
export type SetOff = Pick<Definition, 'gather' | 'analysis'> & {
  trigger: Trigger
  says: string
  subject: string | null
  when?: string
  oncePer?: Definition['oncePer']
}

const NUMBERS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ')
const DAYS: Readonly<Record<string, number>> = { SU: 0, MO: 1, TU: 2, WE: 3, TH: 4, FR: 5, SA: 6 }
const NAMES = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MORNING = '09:00'
const WHEN = '(?:when(?:ever)?|if|every time|each time|any time|as soon as|once|after) '

export function numberIn(text: string): number | null {
  const word = /\b(\d{1,3}|a|an|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b/i.exec(text)?.[1]
  if (word === undefined) return null
  if (/^\d/.test(word)) return Number(word)
  return /^an?$/i.test(word) ? 1 : NUMBERS.indexOf(word.toLowerCase())
}

/** The rhythm or the moment a sentence names, or null. */
export function temporal({ moment, rhythm, isTimed }: ReadTime, lateAt = MORNING): SetOff | null {
  const none = { gather: [], analysis: null, subject: null }
  if (!moment) return null
  const time = isTimed ? (moment.time ?? lateAt) : lateAt
  if (!rhythm) {
    const at = { date: moment.date, time }
    return { ...none, trigger: { kind: 'at', at }, says: `On ${moment.date} at ${time}` }
  }
  const { freq, interval, byDay, rrule, isPlain } = rhythm
  if (freq === 'MINUTELY' || freq === 'HOURLY') {
    const minutes = interval * (freq === 'HOURLY' ? 60 : 1)
    return { ...none, trigger: { kind: 'every', minutes }, says: `Every ${minutes} minutes` }
  }
  const days = byDay?.split(',').map((day) => DAYS[day])
  if (isPlain && (freq === 'DAILY' || (freq === 'WEEKLY' && days?.every((day) => day !== undefined))))
    return { ...none, trigger: { kind: 'cron', cron: cronOf(time, days) }, says: `${daysIn(days)} at ${time}` }
  const start = { date: moment.date, time }
  return { ...none, trigger: { kind: 'rrule', start, rrule }, says: `By the rule ${rrule} at ${time}` }
}

function cronOf(time: string, days: readonly (number | undefined)[] | undefined): string {
  const [hour, minute] = time.split(':')
  const on = days?.join() === '1,2,3,4,5' ? '1-5' : (days?.join() ?? '*')
  return `${Number(minute)} ${Number(hour)} * * ${on}`
}

function daysIn(days: readonly (number | undefined)[] | undefined): string {
  if (!days) return 'Every day'
  if (days.join() === '1,2,3,4,5') return 'Every weekday'
  return `Every ${days.map((day) => NAMES[day ?? 0]).join(' and ')}`
}

type Happening = { on: string; type: string; says: string; subject: string; when?(found: string): string | null }
const titled = (says: string) => `${says}: {{ trigger.data.title }}`
const TASK = '(?:(?:a|an|any|my|one of my|another|the)? ?(?:new )?tasks?)'
const EVENT = '(?:(?:a|an|any|my|one of my|another|the)? ?(?:new )?(?:meeting|event|appointment|calendar event)s?)'
const LABELLED = '(?: (?:labell?ed|tagged|with the (?:label|tag)|with label) (?<label>[\\w-]+))?'
const byLabel = (label: string) => `trigger.data.labels.exists(l, l == "${label.toLowerCase()}")`

const HAPPENINGS: readonly Happening[] = [
  {
    on: `(?:i (?:complete|finish|tick off|check off|close) ${TASK}${LABELLED}|${TASK}${LABELLED} (?:is|gets|was) (?:completed|done|finished|ticked off|closed))`,
    ...{ type: 'task.completed', says: 'When a task is completed', subject: titled('Done'), when: byLabel },
  },
  {
    on: `(?:i (?:reopen) ${TASK}|${TASK} (?:is|gets) reopened)`,
    ...{ type: 'task.reopened', says: 'When a task is reopened', subject: titled('Open again') },
  },
  {
    on: `(?:i (?:add|create|make) ${TASK}${LABELLED}|${TASK}${LABELLED} (?:is|gets|was) (?:added|created|made)|there is a new task)`,
    ...{ type: 'task.created', says: 'When a task is created', subject: titled('New task'), when: byLabel },
  },
  {
    on: `(?:i delete ${TASK}|${TASK} (?:is|gets|was) (?:deleted|removed))`,
    ...{ type: 'task.deleted', says: 'When a task is deleted', subject: titled('Deleted') },
  },
  {
    on: `(?:i (?:add|create|book|schedule|make) ${EVENT}|${EVENT} (?:is|gets|was) (?:added|created|booked|scheduled)(?: to my calendar)?)`,
    ...{ type: 'event.created', says: 'When an event is put into the calendar', subject: titled('New event') },
  },
  {
    on: `(?:i (?:move|change|reschedule) ${EVENT}|${EVENT} (?:is|gets|was) (?:moved|changed|rescheduled|updated))`,
    ...{ type: 'event.updated', says: 'When an event is changed', subject: titled('Changed') },
  },
  {
    on: `(?:i (?:cancel|delete) ${EVENT}|${EVENT} (?:is|gets|was) (?:cancell?ed|deleted|removed))`,
    ...{ type: 'event.deleted', says: 'When an event is deleted', subject: titled('Cancelled') },
  },
  {
    on: '(?:i (?:promise|commit to) something|i make a (?:promise|commitment)|a (?:promise|commitment) is (?:made|found))',
    ...{
      type: 'commitment.created',
      says: 'When you promise something',
      subject: 'You promised: {{ trigger.data.what }}',
    },
  },
  {
    on: '(?:(?:a|any) project is (?:created|added|made)|i (?:create|add|start|make) a (?:new )?project)',
    ...{ type: 'project.created', says: 'When a project is created', subject: 'New project: {{ trigger.data.name }}' },
  },
]

const LEAD =
  '(?<count>half an|\\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) (?<unit>min(?:ute)?|hour|day)s?'
const SOON = new RegExp(
  `(?:^|\\s)${LEAD} before (?:(?:each|every|all|my next|the next|my|all my) )?${EVENT}(?: (?:starts?|begins?))?[,:]?(?= |$)`,
  'i',
)
const IN = new RegExp(`(?:^|\\s)${WHEN}${EVENT} (?:is|starts|begins) (?:in )?${LEAD}(?: away)?[,:]?(?= |$)`, 'i')

const LATE = `(?:any |a |one of my |my |some )?tasks? (?:is|are|has been|have been|gets?|becomes?|goes|stays?|remains?) (?:overdue|late|past (?:its|their) due date)(?<days> (?:for |by )?(?:more than |at least |over )?(?:\\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) (?:day|week)s?)?`

export type Found = { setOff: SetOff; rest: string }

/** The happening a sentence waits for, with the sentence without it; null: none. */
export function happening(text: string, at: string): Found | null {
  const late = new RegExp(`(?:^|\\s)${WHEN}${LATE}[,:]?`, 'i').exec(text)
  if (late) return { setOff: overdue(late.groups?.['days'] ?? '', at), rest: without(text, late) }
  const soon = SOON.exec(text) ?? IN.exec(text)
  if (soon) return { setOff: before(soon.groups ?? {}), rest: without(text, soon) }
  const hook = new RegExp(
    `(?:^|\\s)${WHEN}(?:my |a |the |its )?(?:web)?hook (?:is called|fires|comes in|arrives)[,:]?`,
    'i',
  ).exec(text)
  if (hook) return { setOff: plain({ kind: 'webhook' }, 'When its webhook is called'), rest: without(text, hook) }
  const hand = new RegExp(
    `(?:^|\\s)${WHEN}i (?:press (?:the button|run)|run it|ask(?: for it)?|say so|start it)[,:]?`,
    'i',
  ).exec(text)
  if (hand) return { setOff: plain({ kind: 'manual' }, 'When you run it'), rest: without(text, hand) }
  for (const { on, type, says, subject, when } of HAPPENINGS) {
    const met = new RegExp(`(?:^|\\s)${WHEN}${on}[,:]?(?= |$)`, 'i').exec(text)
    const label = met?.groups?.['label']
    if (!met) continue
    const only = label === undefined ? null : when?.(label)
    const trigger: Trigger = { kind: 'event', type, ...(only && { when: only }) }
    const named = label === undefined ? says : `${says} with the label ${label.toLowerCase()}`
    return { setOff: { ...plain(trigger, named), subject }, rest: without(text, met) }
  }
  return null
}

const without = (text: string, met: RegExpExecArray) =>
  `${text.slice(0, met.index)} ${text.slice(met.index + met[0].length)}`
    .replace(/\s+/g, ' ')
    .replace(/^\s*(?:then|please|,)\s*/i, '')
    .trim()

const plain = (trigger: Trigger, says: string): SetOff => ({ trigger, says, gather: [], analysis: null, subject: null })

const MINUTES: Readonly<Record<string, number>> = { min: 1, hou: 60, day: 1440 }

// It is told of an event at its reminders alone.
function before({ count = '', unit = '' }: Record<string, string>): SetOff {
  const each = MINUTES[unit.slice(0, 3).toLowerCase()] ?? 1
  const minutes = /^half/i.test(count) ? each / 2 : (numberIn(count) ?? 1) * each
  const [many, of] =
    minutes % 1440 === 0 ? [minutes / 1440, 'day'] : minutes % 60 === 0 ? [minutes / 60, 'hour'] : [minutes, 'minute']
  const says = `${many} ${of}${many === 1 ? '' : 's'} before each event that has a reminder then`
  const trigger: Trigger = { kind: 'event', type: 'event.soon', when: `trigger.data.minutes == ${minutes}` }
  return { ...plain(trigger, says), subject: titled('Soon') }
}

// Nothing happens when a task becomes late: it is looked for once a day.
function overdue(days: string, at: string): SetOff {
  const count = numberIn(days) ?? 1
  const least = /week/i.test(days) ? count * 7 : count
  const late = '{{ plural(size(facts.late), "task is", "tasks are") }} overdue: {{ join(facts.late.map(t, t.title)) }}'
  return {
    trigger: { kind: 'cron', cron: cronOf(at, undefined) },
    says: `Every day at ${at}, where a task is overdue for ${least === 1 ? 'a day' : `${least} days`}`,
    gather: [{ name: 'late', source: 'tasks', query: { due: 'overdue', overdueDays: least, limit: 20 } }],
    analysis: {
      kind: 'rules',
      findings: [{ when: 'size(facts.late) > 0', title: late, facts: 'facts.late', confidence: 0.9 }],
    },
    subject: late,
    when: 'size(facts.late) > 0',
    oncePer: 'day',
  }
}
