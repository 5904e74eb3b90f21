import { sql } from 'drizzle-orm'
import { calendarTools } from '#calendar'
import type { Plan, Tool, UserCtx } from '#core'
import { mcpTools } from '#integrations'
import { mailTools } from '#mail'
import { memoryTools } from '#memories'
import { notificationTools, questionTools } from '#notifications'
import { taskTools } from '#tasks'
import { personTools } from '#users'
import { webhookTools } from '#webhooks'
import { requestTools } from './tools.ts'

const DAY_MS = 86_400_000
// A day less than the bins keep what lies in them.
const WINDOW_MS = 29 * DAY_MS
const MAIL_HELD_MS = 20_000

/** A kind of act on the world: a tool, with what the port needs to know of it. */
export type EffectKind = {
  tool: Tool
  /** It leaves the person's own data: mail to others, a webhook, somebody's MCP server. */
  outward: boolean
  /** For how long it may be taken back; null: it cannot be. */
  undoWindowMs: number | null
  /** For how long it waits before it is done at all; an undo meanwhile means it never was. */
  holdMs: number
  /** Whether doing it again finds what the first time did; else one that may have been done is `unknown`. */
  isRepeatable: boolean
  /** Reads only: what it would do, and what would take it back. */
  prepare(ctx: UserCtx, input: unknown): Promise<Plan>
}

type Manners = Pick<EffectKind, 'outward' | 'undoWindowMs' | 'holdMs' | 'isRepeatable'>
const OWN: Manners = { outward: false, undoWindowMs: WINDOW_MS, holdMs: 0, isRepeatable: true }
const MANNERS: Record<string, Partial<Manners>> = {
  delete_project: { undoWindowMs: null },
  withdraw_notification: { undoWindowMs: null },
  run_workflow: { undoWindowMs: null },
  call_webhook: { outward: true, undoWindowMs: null },
  send_mail: { outward: true, undoWindowMs: null, holdMs: MAIL_HELD_MS },
  mcp_tool: { outward: true, undoWindowMs: null, isRepeatable: false },
}

// They come back for a month, and are not asked about in a conversation.
const DISCARDS: ReadonlySet<string> = new Set(['forget', 'discard_mail'])

const kindOf = (tool: Tool): EffectKind => ({
  ...OWN,
  ...MANNERS[tool.name],
  tool,
  prepare: async (ctx, input) => planOf(tool, input, await readState(ctx, tool, input), ctx.newId),
})

/** What a tool would do to this state; of one that plans nothing, what its name says. */
export function planOf({ name, plan }: Tool, input: unknown, before: unknown, newId: UserCtx['newId']): Plan {
  if (plan) return plan(input, before, newId)
  const words = name.replaceAll('_', ' ')
  const after = typeof input === 'object' ? input : null
  const says = words.charAt(0).toUpperCase() + words.slice(1)
  return { says, changes: [{ target: null, before: null, after }], undo: null }
}

async function readState(ctx: UserCtx, { state }: Tool, input: unknown): Promise<unknown> {
  if (!state) return null
  const { rows } = await ctx.db.execute<{ state: unknown }>(sql`select ${state(ctx, input, ctx.newId)} as state`)
  return rows[0]?.state ?? null
}

let kinds: ReadonlyMap<string, EffectKind> | undefined

// Made at the first look: an isolate's start reads none of it.
function registry(): ReadonlyMap<string, EffectKind> {
  kinds ??= new Map(
    [...taskTools, ...calendarTools, ...memoryTools(null), ...personTools, ...outwardTools(), ...otherTools()]
      .filter(({ readOnly }) => !readOnly)
      .map((tool) => [tool.name, kindOf(tool)]),
  )
  return kinds
}

/** What only the port does: it goes out, or is done by others. */
export const outwardTools = (): Tool[] => [...notificationTools, ...mailTools, ...webhookTools, ...requestTools]

/** It goes out, or something is lost by it: no general permission covers it. */
export const isGrave = ({ outward, undoWindowMs, tool }: EffectKind): boolean =>
  outward || undoWindowMs === null || tool.destructive || DISCARDS.has(tool.name)

// A model asks in words, and is offered the tools of a server by their own names.
const otherTools = (): Tool[] => [...questionTools, ...mcpTools]

/** What goes out, or cannot be got back, is not done because others' words said so. */
export const needsTap = ({ outward, tool }: EffectKind, by: { tainted: boolean; isAgreed: boolean }): boolean =>
  (outward || tool.destructive) && by.tainted && !by.isAgreed

export const effectKind = (name: string): EffectKind | undefined => registry().get(name)
export const effectKinds = (): EffectKind[] => [...registry().values()]
