import type { SQL } from 'drizzle-orm'
import { z } from 'zod'
import { conversationsSaying, listConversations, readConversation } from '#assistant'
import { scopesOf } from '#auth'
import { eventsSaying, getEvent, upcoming } from '#calendar'
import { bounded, decodeCursor, encodeCursor, findAppError, s, type UserCtx } from '#core'
import type { Sought } from '#database'
import { getMemory, listMemories, memoriesSaying } from '#memories'
import { listSuggestions, readSuggestion, suggestionsSaying } from '#proactivity'
import { getProject, getTask, listProjects, listTasks, projectsSaying, tasksSaying } from '#tasks'
import { noResource } from './rpc.ts'

const LIST = 'mcp.resources'
const PAGE = 50
const MAX_CHARS = 100_000
const MIME = 'application/json'

type Item = { id: string; title: string; at: string }
type Page = { items: Item[]; nextCursor: string | null }
/** What can be read here, and searched. */
export const SEARCHABLE = ['tasks', 'projects', 'calendar', 'conversations', 'memories', 'suggestions'] as const
type Kind = {
  area: (typeof SEARCHABLE)[number]
  prefix: string
  title: string
  description: string
  list(ctx: UserCtx, page: { limit: number; cursor?: string | undefined }): Promise<Page>
  read(ctx: UserCtx, id: string): Promise<unknown>
  saying(ctx: UserCtx, sought: Sought): SQL
}

function page<T extends { id: string; updatedAt: string }>(
  { items, nextCursor }: { items: T[]; nextCursor: string | null },
  titleOf: (item: T) => string,
): Page {
  return { items: items.map((item) => ({ id: item.id, title: titleOf(item), at: item.updatedAt })), nextCursor }
}

// What comes next, a series once.
function eventsOf({ items }: Awaited<ReturnType<typeof upcoming>>): Page {
  const first = new Map(items.toReversed().map((item) => [item.id, item]))
  const events = [...first.values()].toReversed()
  return { items: events.map(({ id, title, updatedAt }) => ({ id, title, at: updatedAt })), nextCursor: null }
}

const KINDS: Kind[] = [
  {
    area: 'tasks',
    prefix: 'task',
    title: 'Task',
    description: 'A task with its dates, labels and state',
    list: async (ctx, query) => page(await listTasks(ctx, { ...query, open: true }), ({ title }) => title),
    read: getTask,
    saying: tasksSaying,
  },
  {
    area: 'projects',
    prefix: 'prj',
    title: 'Project',
    description: 'A project that tasks are in',
    list: async (ctx, query) => page(await listProjects(ctx, { ...query, archived: false }), ({ name }) => name),
    read: getProject,
    saying: projectsSaying,
  },
  {
    area: 'calendar',
    prefix: 'cal',
    title: 'Event',
    description: 'An event of the calendar: when it is, how it repeats and what of it differs',
    list: async (ctx, { limit }) => eventsOf(await upcoming(ctx, limit)),
    read: getEvent,
    saying: eventsSaying,
  },
  {
    area: 'conversations',
    prefix: 'cnv',
    title: 'Conversation',
    description: 'A conversation with Aurelius and the first fifty things said in it',
    list: async (ctx, query) => page(await listConversations(ctx, query), ({ title }) => title),
    read: (ctx, id) => readConversation(ctx, id),
    saying: conversationsSaying,
  },
  {
    area: 'memories',
    prefix: 'mem',
    title: 'Memory',
    description: 'A lasting fact, preference or person the user told',
    list: async (ctx, query) => page(await listMemories(ctx, query), ({ text }) => text.slice(0, 80).toWellFormed()),
    read: getMemory,
    saying: memoriesSaying,
  },
  {
    area: 'suggestions',
    prefix: 'sug',
    title: 'Suggestion',
    description: 'Something Aurelius offers, which the user has not decided about: what it would do and why',
    list: async (ctx, query) => page(await listSuggestions(ctx, { ...query, open: true }), ({ title }) => title),
    read: readSuggestion,
    saying: suggestionsSaying,
  },
]

const CursorKey = z.tuple([s.int(0, KINDS.length - 1), z.string().max(600).nullable()])

/** The kinds of which whoever asks may read. */
export function kindsFor(ctx: Pick<UserCtx, 'actor'>): Kind[] {
  const scopes = scopesOf(ctx.actor)
  return KINDS.filter(({ area }) => scopes.has(`${area}:read`))
}

export const uriOf = ({ area }: Pick<Kind, 'area'>, id: string) => `aurelius://${area}/${id}`

export function resourceTemplates(ctx: UserCtx): object[] {
  return kindsFor(ctx).map((kind) => ({
    uriTemplate: uriOf(kind, '{id}'),
    name: kind.area,
    title: kind.title,
    description: kind.description,
    mimeType: MIME,
  }))
}

/** A page of what can be read, kind after kind: open tasks, projects, what comes next, conversations, memories, suggestions. One trip a kind. */
export async function listResources(ctx: UserCtx, cursor: string | undefined) {
  const kinds = kindsFor(ctx)
  const [from, within] = cursor === undefined ? [0, null] : decodeCursor(LIST, cursor, CursorKey)
  let inner = within
  for (let at = from; at < kinds.length; at++) {
    const kind = kinds[at]
    if (!kind) break
    const { items, nextCursor } = await kind.list(ctx, { limit: PAGE, ...(inner !== null && { cursor: inner }) })
    inner = null
    if (items.length === 0) continue
    const next = nextCursor !== null ? encodeCursor(LIST, [at, nextCursor]) : undefined
    const after = next ?? (at + 1 < kinds.length ? encodeCursor(LIST, [at + 1, null]) : undefined)
    const resources = items.map(({ id, title, at: lastModified }) => ({
      uri: uriOf(kind, id),
      name: id,
      title,
      mimeType: MIME,
      annotations: { lastModified },
    }))
    return { resources, ...(after !== undefined && { nextCursor: after }) }
  }
  return { resources: [] }
}

/** One thing of the person's by its uri or its id; undefined where it is not there, not theirs, or may not be read. */
export async function findOne(ctx: UserCtx, named: string): Promise<unknown> {
  const [, area, id = named] = /^aurelius:\/\/([a-z]{1,20})\/(\w{1,40})$/.exec(named) ?? []
  const kinds = kindsFor(ctx).filter((kind) => area === undefined || kind.area === area)
  const kind = kinds.find(({ prefix }) => s.id(prefix).safeParse(id).success)
  try {
    return await kind?.read(ctx, id)
  } catch (error) {
    if (findAppError(error)?.code === 'not_found') return undefined
    throw error
  }
}

/** The same as a resource, as JSON. -32002 when it is not there. */
export async function readResource(ctx: UserCtx, uri: string) {
  const found = uri.includes(':') ? await findOne(ctx, uri) : undefined
  if (found === undefined) throw noResource(uri)
  return { contents: [{ uri, mimeType: MIME, text: JSON.stringify(bounded(found, MAX_CHARS)) }] }
}
