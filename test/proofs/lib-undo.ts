import type { Person } from '../world.ts'
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

const task = async (person: Person, body: object) => (await need(person, 'POST', '/v1/tasks', body)).id

export async function prepareGround(person: Person, chance: Chance): Promise<Ground> {
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
  return { open, recurring, completed, cancelled, binned, projects, archived, memories, forgotten }
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
  set_preferences: (_, chance) => ({ timeZone: chance.pick(['Asia/Tokyo', 'America/Lima']), locale: 'de-DE' }),
}

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
  memories: '/v1/memories?limit=100',
  notifications: '/v1/notifications?limit=100',
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
