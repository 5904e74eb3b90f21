import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { signIn } from './chat/account.ts'
import { type Api, ApiError } from './chat/api.ts'
import { EVENTS, MEMORIES, PROJECTS, SAYINGS, SCHEDULES, type SeedTask, TASKS, WORKFLOWS } from './seed-week.ts'

type Page<T> = { items: T[]; nextCursor: string | null }
type Named = { id: string; name: string }
type Titled = { id: string; title: string }

const EMAIL = 'demo@aurelius.example'
const CONVERSATION = 'Planning the week'
const LOOK_MS = 250
const MAX_LOOKS = 60
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone

async function all<T>(api: Api, path: string, filter: Record<string, string> = {}): Promise<T[]> {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const query = new URLSearchParams({ ...filter, limit: '100', ...(cursor && { cursor }) })
    const page: Page<T> = await api.call<Page<T>>('GET', `${path}?${query}`)
    items.push(...page.items)
    cursor = page.nextCursor
  } while (cursor)
  return items
}

// One key an item and day: a run that was cut off goes on, and none of it is made twice.
function post<T>(api: Api, path: string, item: string, body?: object): Promise<T> {
  const headers = { 'idempotency-key': encodeURIComponent(`seed ${dayFrom(0)} ${item}`) }
  return api.call<T>('POST', path, { headers, ...(body && { body }) })
}

/** The calendar day so many days from now, on this machine's calendar. */
function dayFrom(days: number): string {
  const at = new Date()
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days).toLocaleDateString('sv')
}

function toNewTask(
  { title, day, time, remind, project, repeat, done: _, ...rest }: SeedTask,
  projects: Map<string, string>,
) {
  const at = (clock: string | undefined) => atDay(day ?? 0, clock)
  return {
    title,
    ...rest,
    ...(day !== undefined && { due: at(time) }),
    // What should have rung already would ring at once.
    ...(remind && day !== undefined && day > 0 && { remindAt: at(remind) }),
    ...(repeat && { recurrence: repeat }),
    ...(project && { projectId: projects.get(project) }),
  }
}

async function seedProjects(api: Api): Promise<Map<string, string>> {
  const known = await all<Named>(api, '/v1/projects')
  const ids = new Map(known.map(({ name, id }) => [name, id]))
  for (const project of PROJECTS) {
    if (ids.has(project.name)) continue
    ids.set(project.name, (await post<Named>(api, '/v1/projects', project.name, project)).id)
  }
  return ids
}

async function seedTasks(api: Api, projects: Map<string, string>): Promise<number> {
  const known = new Set((await all<Titled>(api, '/v1/tasks')).map(({ title }) => title))
  const missing = TASKS.filter(({ title }) => !known.has(title))
  for (const task of missing) {
    const { id } = await post<Titled>(api, '/v1/tasks', task.title, toNewTask(task, projects))
    if (task.done) await post(api, `/v1/tasks/${id}/complete`, `complete ${task.title}`)
  }
  return missing.length
}

const atDay = (day: number, clock: string | undefined) => ({
  date: dayFrom(day),
  ...(clock && { time: clock }),
  timeZone,
})

async function seedEvents(api: Api): Promise<number> {
  const window = { from: dayFrom(-180), to: dayFrom(180) }
  const known = new Set((await all<Titled>(api, '/v1/calendar/events', window)).map(({ title }) => title))
  const missing = EVENTS.filter(({ title }) => !known.has(title))
  for (const { day, lastDay = day, time, endTime, repeat, ...rest } of missing) {
    const when = { start: atDay(day, time), end: atDay(lastDay, endTime), ...(repeat && { recurrence: repeat }) }
    await post(api, '/v1/calendar/events', `event ${rest.title}`, { ...rest, ...when })
  }
  return missing.length
}

async function seedSchedules(api: Api): Promise<number> {
  const known = new Set((await all<Named>(api, '/v1/schedules')).map(({ name }) => name))
  const missing = SCHEDULES.filter(({ name }) => !known.has(name))
  for (const schedule of missing) await post(api, '/v1/schedules', schedule.name, schedule)
  return missing.length
}

/** Each is run once, and waited for: what it has to suggest is there. */
async function seedWorkflows(api: Api): Promise<number> {
  const known = new Set((await all<Named>(api, '/v1/workflows')).map(({ name }) => name))
  const missing = WORKFLOWS.filter(({ name }) => !known.has(name))
  for (const workflow of missing) {
    const { id } = await post<Named>(api, '/v1/workflows/templates', workflow.name, workflow)
    const { runId } = await post<{ runId: string }>(api, `/v1/workflows/${id}/run`, `run ${workflow.name}`, {})
    await ended(api, runId)
  }
  return missing.length
}

async function ended(api: Api, runId: string): Promise<void> {
  for (let tries = 0; tries < MAX_LOOKS; tries++) {
    const { run } = await api.call<{ run: { status: string } }>('GET', `/v1/runs/${runId}`)
    if (run.status !== 'requested' && run.status !== 'running') return
    await new Promise((done) => setTimeout(done, LOOK_MS))
  }
}

async function seedMemories(api: Api): Promise<number> {
  const known = new Set((await all<{ text: string }>(api, '/v1/memories')).map(({ text }) => text))
  const missing = MEMORIES.filter(({ text }) => !known.has(text))
  for (const memory of missing) await post(api, '/v1/memories', memory.text, memory)
  return missing.length
}

async function seedConversation(api: Api): Promise<number> {
  const known = await all<Titled>(api, '/v1/conversations')
  if (known.some(({ title }) => title === CONVERSATION)) return 0
  const { id } = await post<Titled>(api, '/v1/conversations', CONVERSATION, { title: CONVERSATION })
  for (const text of SAYINGS) await post(api, `/v1/conversations/${id}/messages`, text, { text })
  return 1
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8787' },
      data: { type: 'string', default: '.aurelius' },
    },
  })
  const { api, password, leave } = await signIn({
    url: values.url.replace(/\/$/, ''),
    file: join(values.data, 'chat.json'),
    email: EMAIL,
    password: process.env['AURELIUS_PASSWORD'] || undefined,
    displayName: 'Robin Demo',
    timeZone,
    isGuest: true,
  })
  try {
    const projects = await seedProjects(api)
    const tasks = await seedTasks(api, projects)
    const events = await seedEvents(api)
    const schedules = await seedSchedules(api)
    const workflows = await seedWorkflows(api)
    const suggestions = (await all(api, '/v1/suggestions', { open: 'true' })).length
    const memories = await seedMemories(api)
    const conversations = await seedConversation(api)
    console.log(
      `Added: tasks ${tasks}, events ${events}, schedules ${schedules}, workflows ${workflows}, memories ${memories},`,
    )
    console.log(`conversations ${conversations} (${timeZone}). Suggestions to be decided: ${suggestions}.`)
  } finally {
    leave()
  }
  console.log(`The demo person is ${EMAIL}, the password ${password}`)
  const where = api.url === 'http://127.0.0.1:8787' ? '' : ` --url ${api.url}`
  console.log(`Talk as them: npm run chat --${where} --email ${EMAIL}`)
}

await main().catch((error: Error) => {
  if (!(error instanceof ApiError) && !('code' in error)) throw error
  console.error(error.message.split('\n')[0])
  process.exit(1)
})
