import { makeId, type Person, type Sabotage, type World } from '../world.ts'
import type { Chance } from './chance.ts'

const DAY_MS = 86_400_000
const LONG_AGO_DAYS = 60

const day = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10)
type Made = { title: string; [name: string]: unknown }

const some = (most: number, chance: Chance, of: (n: number) => Made): Made[] =>
  Array.from({ length: chance.int(4) === 0 ? 0 : 1 + chance.int(most) }, (_, n) => of(n))

/** As if mail came in and a calendar of another provider were connected: what needs them is there too. */
export const EVERYTHING_THERE: Sabotage[] = [
  { file: 'src/workflows/requirements.ts', find: 'ABSENT[need] ?? null', replace: 'null' },
]
const MAIL = { subject: 'Your receipt', from: 'shop@example.com' }

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

/** Where people are to be, today and on the days to come. */
const eventsOf = (chance: Chance): Made[] => [
  ...some(2, chance, (n) => ({ title: `Review ${n}`, start: day(n), hour: 15 + n })),
  ...some(2, chance, (n) => ({ title: `Stand-up ${n}`, start: day(-3), hour: 9 + n, recurrence: 'FREQ=DAILY' })),
  ...some(1, chance, () => ({ title: 'Flight to Oslo', start: day(1), hour: 10 })),
]

/** Gives a new person a life: what they have to do, for how long, where they are to be, and what they have done. */
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
  const events = eventsOf(chance).map((event) => ({ ...event, id: makeId('cal') }))
  await query(
    `insert into calendar_events (id, user_id, title, start_date, start_time, start_zone, start_at, end_date, end_time,
        end_zone, end_at, recurrence)
      select r.id, $1, r.title, r.start, r.at, 'UTC', r.start + r.at, r.start, r.at + interval '30 minutes', 'UTC',
        r.start + r.at + interval '30 minutes', r.recurrence
      from (select *, make_time(hour, 0, 0) as at
        from json_to_recordset($2::json) as j(id text, title text, start date, hour int, recurrence text)) r`,
    [person.userId, JSON.stringify(events)],
  )
}

export type Template = {
  key: string
  category: string
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

/** The templates the registry offers this person. */
export async function templatesOf(person: Person): Promise<Template[]> {
  return JSON.parse((await person.api('GET', '/v1/workflows/templates')).text).items
}

type Start = { trigger: object; begin(): Promise<string> }

/** What sets a workflow off here: mail, where it waits for mail, told as whoever reads it will; else its person. */
export async function startOf(world: World, person: Person, workflowId: string): Promise<Start> {
  const [waits] = await world.query(
    "select config->>'type' as type from triggers where workflow_id = $1 and config->>'type' like 'mail.%'",
    [workflowId],
  )
  if (!waits) {
    const begin = async () =>
      JSON.parse((await person.api('POST', `/v1/workflows/${workflowId}/run`, { body: {} })).text).runId
    return { trigger: { kind: 'manual' }, begin }
  }
  const { type } = waits
  const [key, at] = [makeId('mail'), new Date().toISOString()]
  const id = `${key}.1.${type}`
  const begin = async () => {
    await world.query(
      'insert into outbox (id, type, user_id, key, version, data) values ($1, $2, $3, $4, 1, $5::jsonb)',
      [...[id, type, person.userId, key], JSON.stringify(MAIL)],
    )
    await world.queue([{ v: 1, kind: 'event', outboxId: id }])
    const [run] = await world.query('select id from workflow_runs where workflow_id = $1 and tainted', [workflowId])
    if (!run) throw new Error(`${type} set nothing off`)
    return String(run.id)
  }
  return { trigger: { kind: 'event', type, id, at, subject: key, data: MAIL }, begin }
}
