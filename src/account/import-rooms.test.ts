import { asc, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { MAX_OPEN } from '#commitments'
import { commitments } from '#commitments/tables'
import { newId } from '#core'
import { listSuggestions, propose, readSuggestion, withdrawSuggestion } from '#proactivity'
import { suggestionDecisions, suggestions } from '#proactivity/tables'
import { MAX_SCHEDULES } from '#scheduler'
import { schedules } from '#scheduler/tables'
import { makePerson, type Person, revoke } from '#test/database'
import { act, makeLearner, offer } from '#test/suggestions'
import { MAX_WORKFLOWS } from '#workflows'
import { triggers, workflows, workflowVersions } from '#workflows/tables'
import { importItems, mappedId } from './import.ts'
import { Import } from './schema.ts'
import { SECTIONS } from './sections.ts'

type Item = Record<string, unknown>

/** What is in a file of a person's archive. */
async function exported(person: Person, file: string): Promise<Item[]> {
  const section = SECTIONS.find(({ name }) => name === file)
  return (await section?.page(person, person.actor.userId, null))?.items ?? []
}
const bring = (person: Person, file: string, items: Item[]) => importItems(person, Import.parse({ file, items }))
const idIn = ({ actor }: Person, id: unknown) => mappedId(actor.userId, String(id))
const taken = (imported: number, more = {}) => ({ imported, known: 0, left: [], refused: [], switchedOff: [], ...more })

const BERLIN = { kind: 'cron', cron: '30 8 * * MON-FRI', timeZone: 'Europe/Berlin' }
const notify = { kind: 'notify', title: 'Stand up', body: '', priority: 'medium' }
async function schedule(person: Person, over: Partial<typeof schedules.$inferInsert> = {}): Promise<string> {
  const id = newId('sch', person.now())
  const nextAt = new Date('2031-01-01')
  const values = { name: 'Plan', when: BERLIN, missed: 'once' as const, action: notify, nextAt, ...over }
  await person.db.insert(schedules).values({ ...values, id, userId: person.actor.userId })
  return id
}

test('a schedule comes back as it was, but does nothing until it is resumed', async () => {
  const [person, heir] = [await makePerson(), await makePerson({ timeZone: 'Asia/Tokyo' })]
  const on = await schedule(person)
  await schedule(person, { status: 'paused', nextAt: null, followsZone: true })
  await schedule(person, { status: 'done', nextAt: null })
  const items = await exported(person, 'schedules')
  expect(await bring(heir, 'schedules', items)).toEqual(taken(3, { switchedOff: [idIn(heir, on)] }))
  expect(await bring(heir, 'schedules', items)).toEqual(taken(0, { known: 3 }))
  const moved = [
    { ...items[0], status: 'paused', nextAt: null },
    // It named no zone: it is meant where its person is.
    { ...items[1], when: { ...BERLIN, timeZone: 'Asia/Tokyo' } },
    items[2],
  ].map((item) => ({ ...item, id: idIn(heir, item?.['id']), userId: heir.actor.userId }))
  expect(await exported(heir, 'schedules')).toEqual(moved)
  expect(heir.sent).toEqual([])
})

test('what is wrong with a schedule is pointed at, and the others come', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  for (let n = 0; n < 6; n++) await schedule(person, { name: `schedule ${n}` })
  const [good, ...others] = await exported(person, 'schedules')
  const bad = [
    { when: { kind: 'cron', cron: '61 * * * *' } },
    { action: { kind: 'explode' } },
    { name: '' },
    { more: 1 },
    { id: 'sch_1' },
  ].map((over, n) => ({ ...others[n], ...over }))
  const answer = await bring(heir, 'schedules', [...bad, { ...good }])
  const detail = expect.any(String)
  const pointers = ['/items/0/when/cron', '/items/1/action/kind', '/items/2/name', '/items/3', '/items/4/id']
  const switchedOff = [idIn(heir, good?.['id'])]
  expect(answer).toEqual(taken(1, { refused: pointers.map((pointer) => ({ pointer, detail })), switchedOff }))
  expect(await exported(heir, 'schedules')).toMatchObject([{ name: good?.['name'] }])
  await revoke(heir)
  await expect(bring(heir, 'schedules', bad)).rejects.toThrow()
})

test('a request that is no JSON Postgres keeps is refused whole, and brings nothing', async () => {
  const items = await exported(await personWith(schedule), 'schedules')
  for (const over of [{ name: 'a\u0000b' }, { name: '\ud800' }, { name: 'x'.repeat(500_000) }])
    expect(Import.safeParse({ file: 'schedules', items: [{ ...items[0], ...over }] }).success).toBe(false)
  expect(Import.safeParse({ file: 'sessions', items }).success).toBe(false)
})

async function personWith(make: (person: Person) => Promise<unknown>): Promise<Person> {
  const person = await makePerson()
  await make(person)
  return person
}

test('of schedules, workflows and open commitments no more come back than a person may have', async () => {
  const heir = await makePerson()
  const rooms: [string, number, (person: Person) => Promise<unknown>, object][] = [
    ['schedules', MAX_SCHEDULES, schedule, {}],
    ['workflows', MAX_WORKFLOWS, workflow, { deletedAt: '2026-01-02T03:04:05.678+00:00' }],
    ['commitments', MAX_OPEN, commitment, { status: 'done', endedBy: 'person', endedAt: '2026-01-02T03:04:05.678Z' }],
  ]
  for (const [file, max, make, uncounted] of rooms) {
    const [one] = await exported(await personWith(make), file)
    const many = Array.from({ length: max + 3 }, (_, n) => ({ ...one, id: numbered(String(one?.['id']), n) }))
    for (let at = 0; at < max - 2; at += 98) {
      const some = many.slice(at, Math.min(at + 98, max - 2))
      expect(await bring(heir, file, some)).toMatchObject({ imported: some.length, left: [] })
    }
    const rest = many.slice(max - 2)
    const left = rest.slice(2).map(({ id }) => id)
    expect(await bring(heir, file, rest)).toMatchObject({ imported: 2, left })
    expect(await bring(heir, file, rest)).toMatchObject({ imported: 0, known: 2, left })
    const more = file === 'schedules' ? [] : [{ ...one, id: numbered(String(one?.['id']), 900), ...uncounted }]
    if (more.length > 0) expect(await bring(heir, file, more)).toMatchObject({ imported: 1, left: [] })
  }
})
const numbered = (id: string, n: number) => `${id.slice(0, -4)}${String(n).padStart(4, '0')}`

const definition = (actions: object[]) => ({
  triggers: [{ kind: 'cron', cron: '0 9 * * *' }],
  priority: 'routine',
  gather: [],
  analysis: null,
  suggestion: null,
  actions,
})
const PLAN = definition([{ id: 'plan', do: 'create_task', input: { title: 'plan' } }])

async function workflow(person: Person, over: Partial<typeof workflows.$inferInsert> = {}, used: object = PLAN) {
  const [id, userId] = [newId('wfl', person.now()), person.actor.userId]
  await person.db.insert(workflows).values({ name: 'Daily', ...over, id, userId })
  const { definitionVersion = 1, latestVersion = definitionVersion } = over
  const versions = Array.from({ length: latestVersion }, (_, n) => n + 1).map((version) => ({
    ...{ id: `${id}.${version}`, workflowId: id, userId, version, note: `the ${version}th` },
    definition: version === definitionVersion ? used : PLAN,
  }))
  await person.db.insert(workflowVersions).values(versions)
  return id
}

test('a workflow comes back whole and off, with every version, and with what it calls', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  const called = await workflow(person, { status: 'disabled' })
  const calls = definition([
    { id: 'call', do: 'run_workflow', input: { workflowId: called }, when: `trigger.id != '${called}'` },
  ])
  const on = { definitionVersion: 2, latestVersion: 3, failuresInRow: 2, windowUsed: 4, windowAt: new Date() }
  const caller = await workflow(person, on, calls)
  const paused = await workflow(person, { status: 'paused', pausedReason: 'person', pausedUntil: new Date() })
  const versions = await exported(person, 'workflow-versions')
  const left = versions.map(({ id }) => id)
  expect(await bring(heir, 'workflow-versions', versions)).toEqual(taken(0, { left }))
  const items = await exported(person, 'workflows')
  const switchedOff = [caller, paused].map((id) => idIn(heir, id))
  expect(await bring(heir, 'workflows', items)).toEqual(taken(3, { switchedOff }))
  expect(await bring(heir, 'workflow-versions', versions)).toEqual(taken(2, { known: 3 }))
  expect(await bring(heir, 'workflows', items)).toEqual(taken(0, { known: 3 }))
  const off = { status: 'disabled', pausedReason: null, pausedUntil: null, failuresInRow: 0, windowUsed: 0 }
  const here = (text: string) => JSON.parse(text.replaceAll(/wfl_\w{26}/g, (id) => idIn(heir, id)))
  const expected = (all: Item[], over: object) =>
    here(JSON.stringify(all.map((item) => ({ ...item, userId: heir.actor.userId, ...over }))))
  expect(await exported(heir, 'workflows')).toEqual(expected(items, { ...off, windowAt: null }))
  expect(await exported(heir, 'workflow-versions')).toEqual(expected(versions, {}))
  expect(JSON.stringify(await exported(heir, 'workflows'))).toContain(`trigger.id != '${idIn(heir, called)}'`)
  expect(await heir.db.select().from(triggers).where(eq(triggers.userId, heir.actor.userId))).toEqual([])
  expect(heir.sent).toEqual([])
})

test('a workflow nobody could make is pointed at, in its place, and so is a version out of turn', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  await workflow(person)
  await workflow(person, {}, definition([{ id: 'a', do: 'launch_rocket', input: {} }]))
  await workflow(person, { params: { hour: '08:00' } })
  await workflow(person, {}, { triggers: [] })
  const items = await exported(person, 'workflows')
  const { imported, refused } = await bring(heir, 'workflows', items)
  expect([imported, refused.map(({ pointer }) => pointer).slice(0, 2)]).toEqual([
    1,
    ['/items/1/inUse/definition/actions/0/do', '/items/2/params/hour'],
  ])
  expect(refused.slice(2).every(({ pointer }) => pointer.startsWith('/items/3/inUse/definition'))).toBe(true)
  const { inUse: _, ...unused } = items[0] ?? {}
  expect((await bring(heir, 'workflows', [unused])).refused).toMatchObject([{ pointer: '/items/0/inUse' }])
  const [version] = await exported(person, 'workflow-versions')
  const late = { ...version, id: `${String(version?.['workflowId'])}.2`, version: 2 }
  expect(await bring(heir, 'workflow-versions', [late])).toEqual(taken(0, { left: [late.id] }))
  const other = { ...version, version: 2 }
  expect((await bring(heir, 'workflow-versions', [other])).refused).toMatchObject([{ pointer: '/items/0/id' }])
})

const DUE = { date: '2031-03-10', time: '09:00' }
async function commitment(person: Person, over: Partial<typeof commitments.$inferInsert> = {}): Promise<string> {
  const id = newId('cmt', person.now())
  const said = { source: 'message' as const, sourceId: newId('msg', person.now()), quote: "I'll do it", what: 'Do it' }
  await person.db.insert(commitments).values({ ...said, due: DUE, ...over, id, userId: person.actor.userId })
  return id
}

test('a commitment comes back with what it led to where that is there, and can be ended', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  const [kept, lost] = [await past(person), await past(person, { status: 'proposed', decidedAt: null })]
  const ended = { status: 'done' as const, endedBy: 'person' as const, endedAt: new Date() }
  await commitment(person, { suggestionId: kept, ...ended })
  await commitment(person, { suggestionId: lost, taskId: newId('task', person.now()) })
  await bring(heir, 'suggestions', await exported(person, 'suggestions'))
  const items = await exported(person, 'commitments')
  expect(await bring(heir, 'commitments', items)).toEqual(taken(2))
  expect(await bring(heir, 'commitments', items)).toEqual(taken(0, { known: 2 }))
  const whose = (item: Item | undefined, over: object) => ({
    ...item,
    ...{ id: idIn(heir, item?.['id']), sourceId: idIn(heir, item?.['sourceId']), userId: heir.actor.userId },
    ...over,
  })
  expect(await exported(heir, 'commitments')).toEqual([
    whose(items[0], { suggestionId: idIn(heir, kept) }),
    whose(items[1], { suggestionId: null, taskId: null }),
  ])
  const wrong = { ...items[1], id: numbered(String(items[1]?.['id']), 1), endedBy: 'person' }
  expect((await bring(heir, 'commitments', [wrong])).refused).toMatchObject([{ pointer: '/items/0/endedAt' }])
})

async function past(person: Person, over: Partial<typeof suggestions.$inferInsert> = {}): Promise<string> {
  const id = newId('sug', person.now())
  const { workflowId: _, ...given } = offer({}, person.now())
  const decided = { status: 'dismissed' as const, decidedAt: person.now(), proposedAt: person.now() }
  await person.db.insert(suggestions).values({
    ...{ ...given, rank: 0.5, fingerprint: id, moment: 'morning/weekday', expiresAt: new Date(given.expiresAt) },
    ...{ ...decided, ...over, id, userId: person.actor.userId },
  })
  return id
}

test('what was decided comes back as history, and what was not is left where it is', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  const open = ['proposed', 'seen', 'snoozed', 'withheld'] as const
  const over = ['dismissed', 'expired', 'done', 'failed', 'undone'] as const
  const cut = ['approved', 'running'] as const
  for (const status of [...open, ...over, ...cut]) await past(person, { status, effectIds: ['eff_1'] })
  const items = await exported(person, 'suggestions')
  const refused = open.map((_, n) => ({ pointer: `/items/${n}/status`, detail: expect.stringContaining('decided') }))
  expect(await bring(heir, 'suggestions', items)).toEqual(taken(7, { refused }))
  expect(await bring(heir, 'suggestions', items)).toEqual(taken(0, { known: 7, refused }))
  const rows = await heir.db
    .select()
    .from(suggestions)
    .where(eq(suggestions.userId, heir.actor.userId))
    .orderBy(asc(suggestions.id))
  expect(rows.map(({ status }) => status)).toEqual([...over, 'failed', 'failed'])
  expect(rows.at(-1)?.detail).toContain('under way')
  for (const row of rows) expect(row).toMatchObject({ tainted: true, effectIds: [], wakeAt: null, reason: null })
  expect((await listSuggestions(heir, { limit: 10, open: true })).items).toEqual([])
  expect(heir.sent).toEqual([])
})

test('what was dismissed elsewhere is not offered here, nor what has the same key', async () => {
  const { ctx: heir, clock } = await makeLearner('2026-11-23T12:00:00.000Z')
  const person = await makePerson({ now: () => clock.now })
  const task = newId('task', clock.now)
  const actions = [act('a', { input: { id: task } })]
  await past(person, { key: 'weekly:47', kind: 'triage', title: 'Look at what is late', actions, proposedAt: null })
  const [item] = await exported(person, 'suggestions')
  expect(await bring(heir, 'suggestions', [{ ...item }])).toEqual(taken(1))
  const again = {
    kind: 'triage',
    title: 'Look at what is late',
    actions: [act('a', { input: { id: idIn(heir, task) } })],
  }
  expect(await propose(heir, offer(again, clock.now))).toMatchObject({ reason: 'duplicate' })
  const same = await propose(heir, offer({ ...again, key: 'weekly:47' }, clock.now))
  expect(same).toMatchObject({ id: idIn(heir, item?.['id']) })
  const other = { ...item, id: numbered(String(item?.['id']), 1) }
  expect(await bring(heir, 'suggestions', [other])).toEqual(taken(0, { known: 1 }))
})

test('nothing that was decided is later than now, and what is no offer is pointed at', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  const id = await past(person, { proposedAt: new Date('2099-01-01'), decidedAt: new Date('2099-01-01') })
  const items = await exported(person, 'suggestions')
  await bring(heir, 'suggestions', items)
  const found = await readSuggestion(heir, idIn(heir, id))
  expect(Date.parse(found.proposedAt ?? '')).toBeLessThanOrEqual(Date.now())
  expect(Date.parse(found.decidedAt ?? '')).toBeLessThanOrEqual(Date.now())
  // Whoever offered it finds it over, and not missing.
  expect(await withdrawSuggestion(heir, idIn(heir, id), 'not needed')).toBeNull()
  const bad = { ...items[0], actions: [{ id: 'a', kind: 'create_task', input: {}, says: '', outward: 'no' }] }
  const { refused } = await bring(heir, 'suggestions', [bad])
  expect(refused.map(({ pointer }) => pointer)).toEqual(
    expect.arrayContaining(['/items/0/actions/0/outward', '/items/0/actions/0/reversible']),
  )
})

test('decisions come after what they were of', async () => {
  const [person, heir] = [await makePerson(), await makePerson()]
  const id = await past(person)
  const of = { suggestionId: id, userId: person.actor.userId, kind: 'kind_1' }
  await person.db.insert(suggestionDecisions).values({ ...of, id: `${id}.2`, decision: 'dismissed', reason: 'no time' })
  const items = await exported(person, 'suggestion-decisions')
  expect(await bring(heir, 'suggestion-decisions', items)).toEqual(taken(0, { left: [`${id}.2`] }))
  await bring(heir, 'suggestions', await exported(person, 'suggestions'))
  expect(await bring(heir, 'suggestion-decisions', items)).toEqual(taken(1))
  const here = { id: `${idIn(heir, id)}.2`, suggestionId: idIn(heir, id), userId: heir.actor.userId }
  expect(await exported(heir, 'suggestion-decisions')).toEqual([{ ...items[0], ...here }])
})
