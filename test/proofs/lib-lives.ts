import { makeId, type Person, type World } from '../world.ts'
import type { Chance } from './chance.ts'

const DAY_MS = 86_400_000
const LONG_AGO_DAYS = 60

const day = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10)
type Made = { title: string; [name: string]: unknown }

const some = (most: number, chance: Chance, of: (n: number) => Made): Made[] =>
  Array.from({ length: chance.int(4) === 0 ? 0 : 1 + chance.int(most) }, (_, n) => of(n))

/** What people have to do, each kind of it or not, as chance has it. */
const tasksOf = (chance: Chance): Made[] => [
  ...some(4, chance, (n) => ({ title: `Late ${n}`, due: day(-10 - n), priority: chance.pick(['low', 'high']) })),
  ...some(2, chance, (n) => ({ title: `Today ${n}`, due: day(0), estimateMinutes: chance.pick([15, 180]) })),
  ...some(2, chance, (n) => ({ title: `Large ${n}`, due: day(3), priority: 'high', estimateMinutes: 240 })),
  ...some(2, chance, (n) => ({ title: `Tomorrow ${n}`, due: day(1), priority: 'urgent' })),
  ...some(2, chance, (n) => ({ title: `Run ${n}`, due: day(0), labels: ['habit'] })),
  ...some(2, chance, (n) => ({ title: `Answer of Ada ${n}`, labels: ['waiting'] })),
  ...some(2, chance, (n) => ({ title: `Rent ${n}`, due: day(n), labels: ['bill'] })),
  ...some(5, chance, (n) => ({ title: `Birthday ${n}`, due: day(1 + n), labels: ['birthday'] })),
  ...some(3, chance, (n) => ({ title: `Some day ${n}` })),
]

/** Gives a new person a life: what they have to do, for how long, and what they have done. */
export async function live({ query }: Pick<World, 'query'>, person: Person, chance: Chance): Promise<void> {
  const done = some(2, chance, (n) => ({ title: `Done ${n}`, isDone: true }))
  const rows = [...tasksOf(chance), ...done].map((task, n) => ({ ...task, id: makeId('task'), position: n }))
  await query(
    `insert into tasks (id, user_id, title, priority, labels, due_date, due_zone, due_at, estimate_minutes, status,
        completed_at, position, created_at)
      select r.id, $1, r.title, coalesce(r.priority, 'medium'), coalesce(r.labels, '{}'), r.due,
        case when r.due is not null then 'UTC' end, (r.due + 1)::timestamp at time zone 'UTC' - interval '1 millisecond',
        r."estimateMinutes", case when r."isDone" then 'completed' else 'pending' end,
        case when r."isDone" then now() end, r.position, now() - $3::int * interval '1 day'
      from json_to_recordset($2::json) as r(id text, title text, priority text, labels text[], due date,
        "estimateMinutes" int, "isDone" boolean, position int)`,
    [person.userId, JSON.stringify(rows), LONG_AGO_DAYS],
  )
}

export type Template = {
  key: string
  parameters: { name: string; type: string; default: unknown; min?: number; max?: number }[]
}
const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']

/** Choices a person could make. */
export function paramsOf({ parameters }: Template, chance: Chance): Record<string, unknown> {
  const two = (below: number) => String(chance.int(below)).padStart(2, '0')
  const value = ({ type, default: given, min = 1, max = min + 4 }: Template['parameters'][number]) => {
    if (type === 'integer') return Math.min(max, min + chance.int(5))
    if (type === 'time') return `${two(24)}:${two(60)}`
    return type === 'weekday' ? chance.pick(WEEKDAYS) : given
  }
  return Object.fromEntries(parameters.map((one) => [one.name, value(one)]))
}

/** The templates the registry offers. */
export async function templatesOf(person: Person): Promise<Template[]> {
  return JSON.parse((await person.api('GET', '/v1/workflows/templates')).text).items
}
