import { expect, test } from 'vitest'
import { z } from 'zod'
import { scopeOf } from '#auth'
import type { Tool } from '#core'
import { makePerson, type Person } from '#test/database'
import { getEvent } from './event.ts'
import { listEvents } from './list.ts'
import type { CalendarEvent } from './schema.ts'
import { calendarTools } from './tools.ts'

function tool(name: string): Tool {
  const found = calendarTools.find((one) => one.name === name)
  if (!found) throw new Error(`no tool ${name}`)
  return found
}

async function use(person: Person, name: string, input: unknown) {
  const { output, undo } = await tool(name).run(person, input)
  const back = async () => {
    if (!undo) throw new Error('nothing to undo')
    // What calls an undo reads its input by the tool's schema first, as it reads a model's.
    return await tool(undo.tool).run(person, tool(undo.tool).input.parse(JSON.parse(JSON.stringify(undo.input))))
  }
  return { output: output as CalendarEvent, undo, back }
}

const make = async (person: Person, over = {}) => {
  const start = { date: '2026-03-02', time: '09:00' }
  return (await use(person, 'create_event', { title: 'Standup', start, recurrence: 'FREQ=WEEKLY;COUNT=6', ...over }))
    .output
}
// What is seen of the calendar: an undo gives all of it back.
async function seen(person: Person) {
  const { items } = await listEvents(person, { from: '2026-03-01', to: '2026-05-01', limit: 100 })
  return items.map(({ version: _, updatedAt: __, ...item }) => item)
}

test('a model can read the schema of every tool, each has a scope, and only deleting asks first', () => {
  for (const one of calendarTools) {
    expect(z.toJSONSchema(one.input, { io: 'input', unrepresentable: 'any' })).toMatchObject({ type: 'object' })
    expect(scopeOf(one)).toBe(one.readOnly ? 'calendar:read' : 'calendar:write')
  }
  expect(calendarTools.filter(({ destructive }) => destructive).map(({ name }) => name)).toEqual(['delete_event'])
  expect(calendarTools.filter(({ readOnly }) => readOnly).map(({ name }) => name)).toEqual(['list_events', 'find_time'])
})

test('what was made is taken back', async () => {
  const person = await makePerson()
  const { output, undo, back } = await use(person, 'create_event', { title: 'Lunch', start: { date: '2026-03-02' } })
  expect(undo).toEqual({ tool: 'delete_event', input: { id: output.id }, says: 'Deleted \u201cLunch\u201d' })
  await back()
  await expect(getEvent(person, output.id)).rejects.toMatchObject({ code: 'not_found' })
})

const PATCH = { title: 'Retro', location: 'Room 4', start: { date: '2026-03-16', time: '12:00' } }
const THIS = { occurrence: '2026-03-16' }
const FOLLOWING = { ...THIS, scope: 'following' }

test.each<[string, string, object]>([
  [
    'a series',
    'update_event',
    { ...PATCH, recurrence: 'FREQ=DAILY;COUNT=3', reminders: [10], attendees: [{ address: 'a@example.com' }] },
  ],
  ['an event that no longer repeats', 'update_event', { recurrence: null }],
  ['one occurrence', 'update_event', { ...THIS, ...PATCH }],
  ['an occurrence that differed before', 'update_event', { occurrence: '2026-03-23', title: 'Retro' }],
  ['all from a day on', 'update_event', { ...FOLLOWING, ...PATCH, recurrence: 'FREQ=DAILY' }],
  ['a moved series', 'move_event', { start: { date: '2026-03-03' } }],
  ['a moved occurrence', 'move_event', { ...THIS, start: { date: '2026-03-17', time: '08:00' } }],
  ['a moved rest', 'move_event', { ...FOLLOWING, start: { date: '2026-03-17', time: '08:00' } }],
  ['a deleted series', 'delete_event', {}],
  ['a cancelled occurrence', 'delete_event', THIS],
  ['a deleted rest', 'delete_event', FOLLOWING],
])('%s is as it was when it is taken back', async (_name, name, input) => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const { id } = await make(person)
  await use(person, 'update_event', { id, occurrence: '2026-03-23', location: 'Garden' })
  const before = await seen(person)
  const { back } = await use(person, name, { id, ...input })
  expect(await seen(person)).not.toEqual(before)
  await back()
  expect(await seen(person)).toEqual(before)
})

test('what was said of a first day that differed, and of all that follow, is taken back with what it differed by', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const { id } = await make(person)
  const first = { id, occurrence: '2026-03-02' }
  await use(person, 'update_event', { ...first, title: 'Retro', start: { date: '2026-03-03', time: '14:00' } })
  const before = await seen(person)
  const input = { ...first, scope: 'following', title: 'Daily', start: { date: '2026-03-02', time: '16:00' } }
  const { back } = await use(person, 'update_event', input)
  expect((await seen(person))[0]).toMatchObject({ title: 'Daily', start: { date: '2026-03-02', time: '16:00' } })
  await back()
  await back()
  expect(await seen(person)).toEqual(before)
})

test.each([
  ['BYDAY=MO', 'BYDAY=TU'],
  ['BYDAY=TU', 'BYDAY=TU'],
])('a series by %s from a Monday, moved to a Tuesday, is by %s, and taken back as it was', async (rule, moved) => {
  const person = await makePerson()
  const { id } = await make(person, { recurrence: `FREQ=WEEKLY;${rule}` })
  const before = await seen(person)
  const { back } = await use(person, 'move_event', { id, start: { date: '2026-03-03', time: '09:00' } })
  expect((await getEvent(person, id)).recurrence).toBe(`FREQ=WEEKLY;${moved}`)
  await back()
  expect(await seen(person)).toEqual(before)
})

test('of a rule that moving does not tell, a model is told to say it, and can', async () => {
  const person = await makePerson()
  const { id } = await make(person, { recurrence: 'FREQ=WEEKLY;BYDAY=MO,WE' })
  const input = { id, start: { date: '2026-03-03', time: '09:00' } }
  await expect(use(person, 'move_event', input)).rejects.toMatchObject({ errors: [{ pointer: '/recurrence' }] })
  const said = { ...input, recurrence: 'FREQ=WEEKLY;BYDAY=TU,TH' }
  expect((await use(person, 'move_event', said)).output.recurrence).toBe(said.recurrence)
})

const AT = { start: { date: '2026-03-16', time: '10:00' } }
test.each<[string, object]>([
  ['/end', { ...AT, end: { date: '2026-03-16' } }],
  ['/end', { ...AT, end: { date: '2026-03-16', time: '09:00' } }],
  ['/end', { ...AT, end: { date: '2036-03-16', time: '10:00' } }],
  ['/end', { start: { date: '9999-12-30', time: '23:30' } }],
  ['/exception/title', { title: 'two\nlines' }],
  ['/exception/notes', { notes: 'nul \u0000' }],
  ['/exception/notes', { notes: 'x'.repeat(501) }],
])('an exception that is put back is looked at as one that is made: %s', async (pointer, different) => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const { id } = await make(person)
  const occurrence = '2026-03-16'
  const input = { id, occurrence, exception: { occurrence, isCancelled: false, ...different } }
  await expect(use(person, 'restore_event', input)).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer }],
  })
  expect((await getEvent(person, id)).version).toBe(1)
})

test('taking back twice is taking back once', async () => {
  const person = await makePerson()
  const { id } = await make(person)
  const before = await seen(person)
  const { back } = await use(person, 'update_event', { id, ...FOLLOWING, title: 'Retro' })
  await back()
  await back()
  expect(await seen(person)).toEqual(before)
})

test('the same change done again after its answer was lost makes no second series', async () => {
  const made = await makePerson()
  const { id } = await make(made)
  const person = Object.assign(made, { newId: () => `cal_${made.actor.userId.slice(4)}` })
  const input = { id, ...FOLLOWING, title: 'Retro' }
  const [first, second] = [await use(person, 'update_event', input), await use(person, 'update_event', input)]
  expect(second.output).toEqual(first.output)
  expect((await seen(person)).map(({ title }) => title)).toEqual([
    'Standup',
    'Standup',
    'Retro',
    'Retro',
    'Retro',
    'Retro',
  ])
})

test('a scope without an occurrence, and all with one, are refused by their field', async () => {
  const person = await makePerson()
  const { id } = await make(person)
  const refused = (pointer: string) => ({ code: 'invalid_request', errors: [{ pointer }] })
  await expect(use(person, 'delete_event', { id, scope: 'following' })).rejects.toMatchObject(refused('/occurrence'))
  await expect(use(person, 'delete_event', { id, ...THIS, scope: 'all' })).rejects.toMatchObject(refused('/scope'))
  await expect(use(person, 'list_events', { from: '2026-03-01', to: '2027-04-01' })).rejects.toMatchObject(
    refused('/to'),
  )
})
