import { setTimeout as wait } from 'node:timers/promises'
import { strFromU8, unzipSync } from 'fflate'
import type { Person, World } from '../world.ts'

export type Item = Record<string, unknown>
export type Archive = (name: string) => Item[]

const FILES = [
  'projects',
  'tasks',
  'calendar_events',
  'conversations',
  'messages',
  'memories',
  'notifications',
  'schedules',
  'workflows',
  'workflow-versions',
  'suggestions',
  'suggestion-decisions',
  'commitments',
] as const
const UNDECIDED = ['withheld', 'proposed', 'seen', 'snoozed']
const isDecided = ({ status }: Item) => !UNDECIDED.includes(String(status))
const AT_ONCE = 50
const LOOK_AGAIN_MS = 20
const READY_WITHIN_MS = 60_000
const MAX_ROUNDS = 3
const ID = /\b[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}\b/g

/** Has an archive made, one at a time, and waits for it. */
export async function makeArchive(person: Person): Promise<string> {
  let id = ''
  for (const deadline = performance.now() + READY_WITHIN_MS; performance.now() < deadline; await wait(LOOK_AGAIN_MS)) {
    const asked = await (id === '' ? person.api('POST', '/v1/me/export') : person.api('GET', `/v1/me/exports/${id}`))
    if (asked.status === 409) continue
    if (asked.status > 202) throw new Error(`an export answered ${asked.status}: ${asked.text}`)
    const said: { id: string; state: string } = JSON.parse(asked.text)
    if (said.state === 'ready') return said.id
    id = said.id
  }
  throw new Error('an export is not ready in time')
}

/** What a person is given of theirs: the items of a file by its name. */
export async function exportAll(world: World, person: Person): Promise<Archive> {
  const id = await makeArchive(person)
  const headers = { authorization: `Bearer ${person.accessToken}` }
  const answer = await fetch(`${world.url}/v1/me/exports/${id}/archive`, { headers })
  const files = unzipSync(new Uint8Array(await answer.arrayBuffer()))
  return (name) => JSON.parse(strFromU8(files[`${name}.json`] ?? new Uint8Array()))
}

// What was not decided stays where it is.
function wanted(archive: Archive, file: (typeof FILES)[number]): Item[] {
  if (file === 'suggestions') return archive(file).filter(isDecided)
  if (file !== 'suggestion-decisions') return archive(file)
  const decided = new Set(archive('suggestions').flatMap((one) => (isDecided(one) ? [one['id']] : [])))
  return archive(file).filter(({ suggestionId }) => decided.has(suggestionId))
}

/** Brings an archive to somebody, as its order asks for; answers what was refused. */
export async function importAll(person: Person, archive: Archive): Promise<{ imported: number; problems: string[] }> {
  const problems: string[] = []
  let imported = 0
  for (const file of FILES) {
    let waiting = wanted(archive, file)
    for (let round = 0; waiting.length > 0 && round < MAX_ROUNDS; round++) {
      const left = new Set<unknown>()
      for (let at = 0; at < waiting.length; at += AT_ONCE) {
        const body = { file, items: waiting.slice(at, at + AT_ONCE) }
        const answer = await person.api('POST', '/v1/me/import', { body })
        if (answer.status !== 200) problems.push(`${file} are answered ${answer.status}: ${answer.text.slice(0, 300)}`)
        else {
          const said: { imported: number; left: string[]; refused: object[] } = JSON.parse(answer.text)
          imported += said.imported
          if (said.refused.length > 0) problems.push(`of ${file} is refused ${JSON.stringify(said.refused[0])}`)
          for (const id of said.left) left.add(id)
        }
      }
      waiting = waiting.filter(({ id }) => left.has(id))
    }
    if (waiting.length > 0) problems.push(`${waiting.length} ${file} find nothing to belong to`)
  }
  const [profile] = archive('profile')
  const { displayName, timeZone, locale, quietHours, workingHours, voice } = profile ?? {}
  const body = { displayName, preferences: { timeZone, locale, quietHours, workingHours, voice } }
  const answer = await person.api('PATCH', '/v1/me', { body, headers: { 'if-match': '*' } })
  if (answer.status !== 200) problems.push(`the profile is answered ${answer.status}: ${answer.text.slice(0, 300)}`)
  return { imported, problems }
}

/** All items of a list. */
export async function pages(person: Person, path: string, limit = 100): Promise<Item[]> {
  const items: Item[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const answer = await person.api('GET', `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor}`)
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${answer.text}`)
    const page: { items: Item[]; nextCursor: string | null } = JSON.parse(answer.text)
    items.push(...page.items)
    cursor = page.nextCursor === null ? null : `&cursor=${encodeURIComponent(page.nextCursor)}`
  }
  return items
}

// As it comes back: what would act by itself is off.
async function automation(person: Person) {
  const listed = await pages(person, '/v1/workflows')
  const whole = async ({ id }: Item) => ({
    ...JSON.parse((await person.api('GET', `/v1/workflows/${String(id)}`)).text),
    ...{ status: 'disabled', pausedReason: null, pausedUntil: null, failuresInRow: 0, triggers: [] },
    versions: await pages(person, `/v1/workflows/${String(id)}/versions`, 20),
  })
  return {
    schedules: (await pages(person, '/v1/schedules')).map((one) => ({
      ...one,
      ...{ status: one['status'] === 'active' ? 'paused' : one['status'], nextAt: null },
    })),
    workflows: await Promise.all(listed.map(whole)),
    suggestions: (await pages(person, '/v1/suggestions')).filter(isDecided).map((one) => ({ ...one, effectIds: [] })),
    commitments: await pages(person, '/v1/commitments'),
  }
}

/** All that the API shows of a person's things, their ids by the order in which they are met. */
export async function viewOf(person: Person): Promise<Record<string, string>> {
  const conversations = await pages(person, '/v1/conversations')
  const said = await Promise.all(
    conversations.map(({ id }) => pages(person, `/v1/conversations/${String(id)}/messages`)),
  )
  const me = JSON.parse((await person.api('GET', '/v1/me')).text)
  const view = {
    tasks: await pages(person, '/v1/tasks?sort=created'),
    bin: await pages(person, '/v1/tasks?deleted=true'),
    projects: await pages(person, '/v1/projects'),
    archived: await pages(person, '/v1/projects?archived=true'),
    memories: await pages(person, '/v1/memories'),
    // What an action would lead to is not here.
    notifications: (await pages(person, '/v1/notifications')).map((one) => ({
      ...one,
      actions: [],
      actionTaken: null,
    })),
    conversations,
    said,
    ...(await automation(person)),
    me: { displayName: me.displayName, preferences: me.preferences },
  }
  const known = new Map<string, string>()
  const named = (id: string) => known.get(id) ?? known.set(id, `id-${known.size}`).get(id) ?? id
  return Object.fromEntries(Object.entries(view).map(([name, value]) => [name, sorted(value).replace(ID, named)]))
}

// What was imported is marked as such. With the names of each object in order: what was made by Postgres and what was stored may have them otherwise.
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(
          Object.entries(inner)
            .filter(([name]) => name !== 'tainted')
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : inner,
  )

/** Where two texts part, with what stands around it. */
export function firstDifference(a: string, b: string): string {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return `${a.slice(Math.max(0, at - 60), at + 60)} | ${b.slice(Math.max(0, at - 60), at + 60)}`
}
