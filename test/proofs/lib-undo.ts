import { makeId, type Person } from '../world.ts'
import type { Chance } from './chance.ts'
import { clock, need } from './lib-kinds.ts'

const DAY_MIN = 24 * 60

/** What is there before an effect: a few of everything, by id. */
export type Ground = {
  open: string[]
  completed: string[]
  cancelled: string[]
  recurring: string[]
  binned: string[]
  projects: string[]
  archived: string[]
  memories: string[]
  forgotten: string[]
  notifications: string[]
  drafts: string[]
  discarded: string[]
  webhooks: string[]
  servers: string[]
  events: string[]
  series: string[]
  binnedEvents: string[]
}

const later = (chance: Chance) => clock(DAY_MIN + chance.int(30 * DAY_MIN))
const word = (chance: Chance) => chance.pick(['prune', 'pay', 'call', 'paint', 'send', 'water'])
const fields = (chance: Chance) => ({
  title: `${word(chance)} ${chance.int(1000)}`,
  notes: chance.pick(['', 'by hand', 'twice \u{1f331}']),
  priority: chance.pick(['low', 'medium', 'high', 'urgent']),
  labels: chance.pick([[], ['home'], ['home', 'garden']]),
  due: chance.pick([null, later(chance), { date: '2027-03-01' }]),
  remindAt: chance.pick([null, later(chance)]),
  start: chance.pick([null, { date: '2027-02-01' }]),
  estimateMinutes: chance.pick([null, 15, 90]),
})

// Of what is there a patch may touch any part.
function patch(chance: Chance) {
  const all = Object.entries({ ...fields(chance), status: chance.pick(['pending', 'in_progress', 'cancelled']) })
  const some = all.filter(() => chance.int(2) === 0)
  return Object.fromEntries(some.length > 0 ? some : all.slice(0, 1))
}

const letter = (chance: Chance) => ({
  to: [`${word(chance)}@example.com`],
  subject: word(chance),
  text: `please ${word(chance)}`,
})

// Mondays at nine, of which one is cancelled and one differs.
const MONDAYS = ['2027-01-04', '2027-01-11', '2027-01-18', '2027-02-01']
const CANCELLED = '2027-01-25'
const nine = (date: string) => ({ date, time: '09:00', timeZone: 'Europe/Berlin' })
const event = async (person: Person, body: object) =>
  (await need(person, 'POST', '/v1/calendar/events', { title: 'visit', start: nine('2027-01-06'), ...body })).id

async function prepareEvents(person: Person) {
  const events = [await event(person, {}), await event(person, { start: { date: '2027-01-09' } })]
  const series = [await event(person, { start: nine('2027-01-04'), recurrence: 'FREQ=WEEKLY;COUNT=8' })]
  for (const id of series) {
    await need(person, 'DELETE', `/v1/calendar/events/${id}?occurrence=${CANCELLED}`)
    await need(person, 'PATCH', `/v1/calendar/events/${id}?occurrence=2027-02-08`, { title: 'long visit' })
  }
  const binnedEvents = [await event(person, {})]
  for (const id of binnedEvents) await need(person, 'DELETE', `/v1/calendar/events/${id}`)
  return { events, series, binnedEvents }
}

/** One of the events: one that happens once, a series, one of its days, or all from that day on. */
function named({ events, series }: Ground, chance: Chance) {
  const [id, occurrence] = [any(chance, series), chance.pick([...MONDAYS, '2027-02-08'])]
  const scope = chance.pick(['this', 'following'])
  return chance.pick([{ id: any(chance, events) }, { id }, { id, occurrence }, { id, occurrence, scope }])
}

const task = async (person: Person, body: object) => (await need(person, 'POST', '/v1/tasks', body)).id

export async function prepareGround(person: Person, chance: Chance, notesUrl: string): Promise<Ground> {
  const make = (over = {}) => task(person, { ...fields(chance), ...over })
  const open = [await make(), await make({ remindAt: later(chance) }), await make()]
  const recurring = [await make({ due: later(chance), recurrence: 'FREQ=WEEKLY' })]
  const [completed, cancelled, binned] = [[await make()], [await make()], [await make()]]
  for (const id of completed) await need(person, 'POST', `/v1/tasks/${id}/complete`)
  for (const id of cancelled) await need(person, 'PATCH', `/v1/tasks/${id}`, { status: 'cancelled' })
  for (const id of binned) await need(person, 'DELETE', `/v1/tasks/${id}`)
  const project = async () => (await need(person, 'POST', '/v1/projects', { name: word(chance) })).id
  const memory = async () => (await need(person, 'POST', '/v1/memories', { text: `likes to ${word(chance)}` })).id
  const [projects, archived] = [[await project()], [await project()]]
  for (const id of archived) await need(person, 'PATCH', `/v1/projects/${id}`, { archived: true })
  const [memories, forgotten] = [[await memory(), await memory()], [await memory()]]
  for (const id of forgotten) await need(person, 'DELETE', `/v1/memories/${id}`)
  const act = async (kind: string, input: object) =>
    (await need(person, 'POST', '/v1/effects', { kind, input })).output.id
  const notifications = [await act('notify', { title: word(chance) })]
  const draft = () => act('draft_mail', letter(chance))
  const [drafts, discarded] = [[await draft()], [await draft()]]
  for (const id of discarded) await act('discard_mail', { id })
  const webhooks = [(await need(person, 'POST', '/v1/webhooks', { url: 'https://hooks.aurelius.invalid/' })).id]
  const added = { name: 'notes', url: notesUrl, auth: { type: 'none' } }
  const servers = [(await need(person, 'POST', '/v1/mcp/servers', added)).id]
  for (const id of servers) await need(person, 'POST', `/v1/mcp/servers/${id}/check`)
  const told = { notifications, drafts, discarded, webhooks, servers }
  const calendar = await prepareEvents(person)
  return {
    open,
    recurring,
    completed,
    cancelled,
    binned,
    projects,
    archived,
    memories,
    forgotten,
    ...told,
    ...calendar,
  }
}

type InputOf = (ground: Ground, chance: Chance) => object
const any = (chance: Chance, ...of: string[][]) => chance.pick(of.flat())

/** For each kind of effect, something that can be done on that ground. A kind that is not here is a violation. */
export const INPUTS: Record<string, InputOf> = {
  create_task: (_, chance) => fields(chance),
  update_task: ({ open, recurring }, chance) => ({
    id: any(chance, open, recurring),
    ...patch(chance),
    due: later(chance),
  }),
  bulk_update: ({ open }, chance) => ({ items: open.map((id) => ({ id, ...patch(chance) })) }),
  complete_task: ({ open, recurring }, chance) => ({ id: any(chance, open, recurring) }),
  reopen_task: ({ completed, cancelled }, chance) => ({ id: any(chance, completed, cancelled) }),
  delete_task: ({ open, completed }, chance) => ({ id: any(chance, open, completed) }),
  restore_task: ({ binned }, chance) => ({ id: any(chance, binned) }),
  create_event: (_, chance) => ({
    title: word(chance),
    start: chance.pick([nine('2027-01-07'), { date: '2027-01-07' }]),
    recurrence: chance.pick([null, 'FREQ=DAILY;COUNT=3']),
    reminders: chance.pick([[], [10, 60]]),
  }),
  update_event: (ground, chance) => ({
    ...named(ground, chance),
    title: `${word(chance)} ${chance.int(1000)}`,
    ...chance.pick([{}, { location: 'garden' }, { status: 'tentative', transparency: 'free' }]),
  }),
  move_event: (ground, chance) => ({
    ...named(ground, chance),
    start: chance.pick([nine('2027-01-12'), { date: '2027-01-13', time: '18:30' }, { date: '2027-01-14' }]),
  }),
  delete_event: (ground, chance) => named(ground, chance),
  restore_event: ({ binnedEvents, series }, chance) =>
    chance.pick([{ id: any(chance, binnedEvents) }, { id: any(chance, series), occurrence: CANCELLED }]),
  create_project: (_, chance) => ({ name: word(chance) }),
  archive_project: ({ projects, archived }, chance) =>
    chance.int(2) === 0 ? { id: any(chance, projects) } : { id: any(chance, archived), archived: false },
  delete_project: ({ projects }, chance) => ({ id: any(chance, projects) }),
  remember: (_, chance) => ({ text: `knows ${word(chance)}`, kind: chance.pick(['fact', 'preference', 'person']) }),
  update_memory: ({ memories }, chance) => ({
    id: any(chance, memories),
    text: `likes ${word(chance)} ${chance.int(9)}`,
  }),
  forget: ({ memories }, chance) => ({ id: any(chance, memories) }),
  recall: ({ forgotten }, chance) => ({ id: any(chance, forgotten) }),
  notify: (_, chance) => ({ title: word(chance), priority: chance.pick(['low', 'urgent']) }),
  withdraw_notification: ({ notifications }, chance) => ({ id: any(chance, notifications) }),
  draft_mail: (_, chance) => letter(chance),
  discard_mail: ({ drafts }, chance) => ({ id: any(chance, drafts) }),
  keep_mail: ({ discarded }, chance) => ({ id: any(chance, discarded) }),
  send_mail: (_, chance) => letter(chance),
  call_webhook: ({ webhooks }, chance) => ({ webhookId: any(chance, webhooks), data: { word: word(chance) } }),
  mcp_tool: ({ servers }, chance) => ({
    serverId: any(chance, servers),
    tool: 'send',
    arguments: { text: word(chance) },
  }),
  ask_question: (_, chance) => ({ question: `${word(chance)}?`, choices: chance.pick([[], ['yes', 'no']]) }),
  run_workflow: () => ({ workflowId: makeId('wfl'), input: {} }),
  set_preferences: (_, chance) => ({ timeZone: chance.pick(['Asia/Tokyo', 'America/Lima']), locale: 'de-DE' }),
}

/** Of these nothing is to be seen here. */
export const ELSEWHERE = new Set(['call_webhook', 'run_workflow', 'mcp_tool'])

// Numbers of versions go on, and so does the time of the last change.
const PASSING = new Set(['version', 'updatedAt'])

/** What is left of a thing without what taking a change back cannot give back. */
export function essence(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(essence)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => !PASSING.has(name))
  return Object.fromEntries(kept.map(([name, part]) => [name, essence(part)]))
}

const LISTS = {
  tasks: '/v1/tasks?limit=100',
  projects: '/v1/projects?limit=100&archived=false',
  calendar: '/v1/calendar/events?from=2027-01-01&to=2027-12-01&limit=100',
  memories: '/v1/memories?limit=100',
  notifications: '/v1/notifications?limit=100',
  drafts: '/v1/mail/drafts?limit=100',
}

/** All that the person sees of what is theirs, but for the bins. */
export async function snapshot(person: Person): Promise<Record<string, unknown>> {
  const read = async (path: string) => {
    const answer = await person.api('GET', path)
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${answer.text}`)
    return JSON.parse(answer.text)
  }
  const lists = Object.entries(LISTS).map(async ([name, path]): Promise<[string, unknown]> => {
    const { items }: { items: { id: string }[] } = await read(path)
    return [name, essence(items.sort((a, b) => (a.id < b.id ? -1 : 1)))]
  })
  return { ...Object.fromEntries(await Promise.all(lists)), me: essence((await read('/v1/me')).preferences) }
}
