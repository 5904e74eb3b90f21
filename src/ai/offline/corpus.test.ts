import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Example, playExample, verdict } from './corpus-run.ts'

const LEAST_RIGHT = 0.95

type Sentence = Omit<Example, 'tasks'> & { tasks?: string | NonNullable<Example['tasks']> }
type Corpus = { seeds: Record<string, NonNullable<Example['tasks']>>; sentences: Sentence[] }

const corpus: Corpus = JSON.parse(readFileSync(`${import.meta.dirname}/corpus.json`, 'utf8'))

// They name the calendar and want tasks: written where there was none.
const WITHOUT_CALENDAR = new Set(['h1-manager-01', 'h5-a-06'])

function exampleOf({ tasks, ...sentence }: Sentence): Example {
  const rest = { ...sentence, ...(!WITHOUT_CALENDAR.has(sentence.id) && { events: [] }) }
  if (tasks === undefined) return rest
  return { ...rest, tasks: typeof tasks === 'string' ? (corpus.seeds[tasks] ?? []) : tasks }
}

test('people are understood as they speak', async () => {
  const wrong: string[] = []
  for (const sentence of corpus.sentences) {
    const example = exampleOf(sentence)
    const { calls, reply } = await playExample(example)
    // The second time from what is known of it, which the first must not have changed.
    expect(await playExample(example)).toEqual({ calls, reply })
    const trouble = verdict(example, calls, reply)
    if (trouble) wrong.push(`${example.id} [${[...(example.before ?? []), example.say].join(' ⏎ ')}] ${trouble}`)
  }
  const all = corpus.sentences.length
  const right = all - wrong.length
  console.log(`offline corpus: ${all} sentences, ${right} right (${((100 * right) / all).toFixed(1)} %)`)
  for (const line of wrong) console.log(`  ${line}`)
  expect(all).toBeGreaterThanOrEqual(150)
  expect(right / all).toBeGreaterThanOrEqual(LEAST_RIGHT)
})

test('every sentence of the corpus has a name of its own', () => {
  expect(new Set(corpus.sentences.map(({ id }) => id)).size).toBe(corpus.sentences.length)
})

type CalendarCorpus = Pick<Example, 'now' | 'timeZone' | 'events'> & {
  sentences: [string, string, Record<string, unknown>][]
  days: [string, string][]
  unmade: [string, string][]
}
const calendar: CalendarCorpus = JSON.parse(readFileSync(`${import.meta.dirname}/calendar-corpus.json`, 'utf8'))
const seed = { now: calendar.now, timeZone: calendar.timeZone, events: calendar.events ?? [] }

test('what people say of their calendar is done there', async () => {
  const { sentences } = calendar
  const wrong: string[] = []
  for (const [say, tool, input] of sentences) {
    const example: Example = { ...seed, id: say, say, expect: [{ tool, input }] }
    const { calls, reply } = await playExample(example)
    const trouble = verdict(example, calls, reply)
    if (trouble) wrong.push(`[${say}] ${trouble}`)
  }
  console.log(`offline calendar: ${sentences.length} sentences, ${sentences.length - wrong.length} right`)
  expect(sentences.length).toBeGreaterThanOrEqual(120)
  expect(wrong).toEqual([])
})

test.each([
  ['am I busy at 4?', /busy today at 16:00: .*Call with Nora/],
  ['am I busy at 5?', /free today at 17:00/],
  ['when is the dentist', /25 Nov 14:00-15:00 Dentist/],
  ["what's on my calendar on Sunday", /Nothing is in your calendar/],
  ['when am I free on Thursday', /^You are free Thu 26 Nov:\nThu 26 Nov 09:00 to 12:30\nThu 26 Nov 13:30 to 17:00$/],
  ['when am I free on Saturday', /^You are free Sat 28 Nov:\nSat 28 Nov 09:00 to 17:00$/],
  ['find 45 minutes tomorrow', /^45 minutes are free tomorrow:\n[^\n]* 09:00 to 09:45\n[^\n]* 11:00 to 17:00$/],
  ['find 5 minutes on Saturday', /There may be more after that/],
  ['find 10 hours on Saturday', /There are no 600 minutes free/],
  ['block 10 hours on Saturday for painting', /no 600 minutes free Sat 28 Nov, so .Painting. is not in your calendar/],
  ['move the meeting with the Queen to Tuesday at 3', /couldn't find/],
])('%s: the answer says what the calendar shows', async (say, reply) => {
  expect((await playExample({ ...seed, id: say, say, expect: [] })).reply).toMatch(reply)
})

const RENT = [{ id: 'task_rent', title: 'Pay rent', due: { date: '2026-11-23' } }]

test.each(calendar.days)('%s: the answer tells of tasks and of events', async (say, expected) => {
  const { calls, reply } = await playExample({ ...seed, tasks: RENT, id: say, say, expect: [] })
  expect(new Set(calls.map(({ name }) => name))).toEqual(new Set(['find_tasks', 'list_events']))
  expect(reply).toMatch(new RegExp(expected, 's'))
})

test('a question for tasks is answered with tasks alone', async () => {
  const say = "what's due tomorrow"
  const { calls, reply } = await playExample({ ...seed, id: say, say, expect: [] })
  expect(calls.map(({ name }) => name)).toEqual(['find_tasks'])
  expect(reply).toBe('Nothing is due tomorrow.')
})

const ANA = { id: 'cal_ana', title: 'Review with Ana', date: '2026-11-24', from: '15:00', to: '16:00' }

test.each([
  [['cancel my meetings tomorrow'], [], /Which one: .*Budget meeting; .*Review with Ana\? Or say .all/],
  [['cancel my meetings tomorrow', 'all'], ['cal_budget', 'cal_ana'], /Cancelled .Budget meeting. and .Review/],
  [['cancel my meetings tomorrow', 'the second one'], ['cal_ana'], /^Cancelled .Review with Ana.\.$/],
  [['cancel my meetings tomorrow', 'the budget one'], ['cal_budget'], /^Cancelled .Budget meeting.\.$/],
  [['cancel my meetings tomorrow', 'no'], [], /left everything/],
  [['cancel all my meetings tomorrow'], ['cal_budget', 'cal_ana'], /Cancelled .Budget meeting. and .Review/],
])('%j: of several events those that were picked', async (said, ids, expected) => {
  const events = [...seed.events, ANA]
  const say = said.at(-1) ?? ''
  const { calls, reply } = await playExample({ ...seed, events, id: say, before: said.slice(0, -1), say, expect: [] })
  const deleted = calls.filter(({ name }) => name === 'delete_event')
  expect(deleted.map(({ input }) => input)).toEqual(ids.map((id) => ({ id })))
  expect(reply).toMatch(expected)
})

test.each(calendar.unmade)('%s: no tool is asked, and it is said why', async (say, expected) => {
  const { calls, reply } = await playExample({ ...seed, id: say, say, expect: [] })
  expect(calls).toEqual([])
  expect(reply).toMatch(new RegExp(expected, 's'))
})

test.each([
  ['pay rent on Feb 29', 'Pay rent'],
  ['read Psalm 23:61', 'Read Psalm 23:61'],
  ['call Ben at 23:59', 'Call Ben'],
  ['draft the contract', 'Draft the contract'],
  ['draft a mail to Ben tomorrow', 'Draft a mail to Ben'],
  ['book the hotel', 'Book the hotel'],
  ['approve the budget', 'Approve the budget'],
])('%s: a task all the same', async (say, title) => {
  const { calls } = await playExample({ ...seed, id: say, say, expect: [] })
  expect(calls).toMatchObject([{ name: 'create_task', input: { title } }])
})

test.each([
  ['what is on today after 9pm', 'America/New_York', { from: '2026-11-24T02:00:00Z', to: '2026-11-24' }],
  ['what is on tomorrow before 5am', 'Asia/Tokyo', { from: '2026-11-24', to: '2026-11-23T20:00:00Z' }],
])('%s in %s: the calendar is asked too', async (say, timeZone, window) => {
  const { calls } = await playExample({ ...seed, timeZone, id: say, say, expect: [] })
  expect(calls.find(({ name }) => name === 'list_events')?.input).toMatchObject(window)
})
