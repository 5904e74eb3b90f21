import { setTimeout as wait } from 'node:timers/promises'
import { subscribers } from '../../workers/subscribers.ts'
import type { Person, World } from '../world.ts'
import { auditDeliveries, auditEventReminders } from './lib-due.ts'
import { auditFates } from './lib-fates.ts'
import { jobKinds } from './lib-jobs.ts'
import { type Door, type Heard, openListener, type Position } from './lib-listener.ts'
import { auditAccountMail, auditMail, auditReclaimed, auditWebhooks, hooksOf } from './lib-mails.ts'
import { timersOf } from './lib-objects.ts'
import { auditInstances, auditRuns } from './lib-runs.ts'
import { auditAsks, auditSchedules } from './lib-schedules.ts'
import {
  auditCommitments,
  auditHeard,
  auditLearning,
  auditMeanings,
  auditSuggestionNotices,
  auditSuggestionTimers,
} from './lib-suggestions.ts'

const LOOK_AGAIN_MS = 50
const TICKET_WITHIN_MS = 10_000
export const TOPICS = [
  'tasks',
  'projects',
  'calendar',
  'memories',
  'notifications',
  'schedules',
  'workflows',
  'effects',
  'me',
  'suggestions',
  'mail',
]

/** An event as it was committed: what everybody must hear of once. */
export type Told = { id: string; type: string; room: string | null }
export type Report = (violation: string) => void
/** What somebody who was there from the first event on heard. */
export type Witness = { heard: Heard[] }

type Audit = (world: Seen, person: Owner, told: Told[], report: Report) => Promise<void>

// The effects of each consumer, counted where they end. A consumer that is not here is a violation until it is.
const AUDITS: Record<string, Audit> = {
  realtime: auditLog,
  reminders: auditReminders,
  'event-reminders': auditEventReminders,
  answers: auditAnswers,
  webhooks: auditWebhooks,
  'account-mail': auditAccountMail,
  schedules: async (world, person, _, report) =>
    auditSchedules(world, person, await timersOf(world, person.userId), report),
  deliveries: auditDeliveries,
  'suggestion-timers': auditSuggestionTimers,
  suggestions: auditLearning,
  heard: auditHeard,
  commitments: auditCommitments,
  'suggestion-notices': auditSuggestionNotices,
  triggers: auditRuns,
  runs: auditInstances,
  reclaimed: auditReclaimed,
  effects: async (world, person, _, report) => await auditFates(world, person, report),
}

// The same of each kind of job.
const JOB_AUDITS: Record<string, Audit> = {
  send_mail: auditMail,
  send_webhooks: auditWebhooks,
  ask_assistant: async (world, person, _, report) => auditAsks(world, person, report),
  deliver_notifications: auditDeliveries,
  keep_meaning: auditMeanings,
}

/** A system as an auditor sees it: its database, its Worker, its address, its mail. */
export type Seen = Pick<World, 'url' | 'worker' | 'query' | 'mailbox'>
export type Owner = Pick<Person, 'userId' | 'accessToken'>

/** The way to a person's sockets. */
export function door(url: string, token: string): Door {
  return {
    url: () => url,
    async ticket() {
      const signal = AbortSignal.timeout(TICKET_WITHIN_MS)
      const headers = { authorization: `Bearer ${token}` }
      const answer = await fetch(`${url}/v1/realtime/ticket`, { method: 'POST', headers, signal })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`a ticket is answered ${answer.status}: ${text}`)
      return String(JSON.parse(text).ticket)
    },
  }
}

export async function toldOf(world: Seen, userId: string): Promise<Told[]> {
  const rows = await world.query('select id, type, room from outbox where user_id = $1 order by created_at, id', [
    userId,
  ])
  return rows.map(({ id, type, room }) => ({
    id: String(id),
    type: String(type),
    room: room === null ? null : String(room),
  }))
}

/** Waits until these events were handled by everybody; answers how many were not in time. */
export async function unhandled(world: Seen, ids: string[], withinMs: number): Promise<number> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const [row] = await world.query(
      'select count(*)::int as waiting from outbox where id = any($1::text[]) and dispatched_at is null',
      [arrayOf(ids)],
    )
    const waiting = Number(row?.waiting)
    if (waiting === 0 || performance.now() > deadline) return waiting
    await wait(LOOK_AGAIN_MS)
  }
}

/** A tick of the cron that finds everything of these people due. */
export async function relayNow(world: Pick<World, 'query' | 'scheduled'>, owners: string): Promise<void> {
  await world.query(
    'update outbox set available_at = now() where dispatched_at is null and user_id = any($1::text[])',
    [owners],
  )
  await world.scheduled()
}

/** A parameter of type text[]. */
export const arrayOf = (values: string[]): string => `{${values.map((value) => JSON.stringify(value)).join(',')}}`

/** Who reacts to an event, by the same list the Worker goes through. */
export function consumersOf({ type }: Told): string[] {
  return subscribers.filter((subscriber) => subscriber.wants(type)).map(({ name }) => name)
}

/** Every effect of a person's events is there, once. */
export async function auditPerson(world: Seen, person: Owner, witness: Witness | null, report: Report): Promise<void> {
  const told = await toldOf(world, person.userId)
  for (const { name } of subscribers) {
    const audit = AUDITS[name]
    if (audit) await audit(world, person, told, report)
    else report(`nobody counts the effects of the consumer ${name}`)
  }
  for (const kind of jobKinds()) {
    const audit = JOB_AUDITS[kind]
    if (audit) await audit(world, person, told, report)
    else report(`nobody counts the effects of the jobs ${kind}`)
  }
  await auditInbox(world, person, told, report)
  const open = told.filter(({ room }) => room === null || isOfAll(room))
  if (witness) countOnce('a socket', witness.heard, open, report)
}

// These are asked only while something waits for them.
const ASKED = new Set(['triggers', 'commitments'])

async function auditInbox(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  const rows = await world.query(
    'select message_id, json_agg(consumer) as consumers from inbox where message_id = any($1::text[]) group by message_id',
    [arrayOf(told.map(({ id }) => id))],
  )
  const isHooked = (await hooksOf(world, person)).length > 0
  const known = new Map(rows.map(({ message_id, consumers }) => [String(message_id), String(consumers)]))
  for (const event of told) {
    const expected = consumersOf(event)
      .filter((name) => (isHooked || name !== 'webhooks') && !ASKED.has(name))
      .sort()
      .join()
    const named = (known.get(event.id) ?? '').split(',').filter((name) => !ASKED.has(name))
    const done = named.sort().join()
    if (done !== expected) report(`${event.id} was handled by "${done}", not by "${expected}"`)
  }
}

/** All that the room remembers, through a socket that asks from the first offset on. */
export async function readLog(world: Seen, person: Owner, topics = TOPICS): Promise<Heard[]> {
  const { epoch } = await positionOf(world, person)
  return await replay(door(world.url, person.accessToken), epoch, topics)
}

async function positionOf(world: Seen, person: Owner): Promise<Position> {
  const listener = await openListener(door(world.url, person.accessToken), { topics: [] })
  listener.stop()
  return listener.position() ?? { epoch: '', offset: 0 }
}

export async function replay(at: Door, epoch: string, topics: string[]): Promise<Heard[]> {
  const listener = await openListener(at, { topics, from: { epoch, offset: 0 } })
  const synced = await listener.until(() => listener.isSynced())
  listener.stop()
  if (!synced || listener.problems.length > 0)
    throw new Error(`the log does not replay: ${listener.problems[0] ?? 'no end'}`)
  return listener.heard
}

async function auditLog(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  const rooms = new Set(told.flatMap(({ room }) => (room === null || isOfAll(room) ? [] : [room])))
  countOnce('the log', await readLog(world, person, [...TOPICS, ...rooms]), told, report)
}

/** One that every client may join, not that of a single run. */
const isOfAll = (room: string) => TOPICS.includes(room)

/** Each event that has a room is told once, and nothing else is. */
export function countOnce(where: string, heard: Heard[], told: Told[], report: Report): void {
  const counts = new Map<string, number>()
  for (const { id } of heard) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const { id, room } of told) {
    const count = counts.get(id) ?? 0
    counts.delete(id)
    if (count !== (room === null ? 0 : 1)) report(`${where} tells ${id} ${count} times`)
  }
  for (const id of counts.keys()) report(`${where} tells ${id}, which was never committed`)
}

// What fed answers that were kept is known to have changed.
async function auditAnswers(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  const rows = await world.query('select source from changed_sources where user_id = $1', [person.userId])
  const known = new Set(rows.map(({ source }) => source))
  for (const event of told)
    if (consumersOf(event).includes('answers') && !known.has(event.id.split('.')[0]))
      report(`no answer heard of ${event.id}`)
}

// `waits`: the reminders that are still to come, as the tasks say.
async function auditReminders(world: Seen, person: Owner, _: Told[], report: Report): Promise<void> {
  const waits = await world.query(
    `select id, remind_at from tasks where user_id = $1 and remind_at > now() and deleted_at is null
      and status in ('pending', 'in_progress')`,
    [person.userId],
  )
  const expected = waits.map((task) => `${task.id} ${new Date(String(task.remind_at)).getTime()}`)
  // The Steward has timers of its own, for the budget.
  const timers = (await timersOf(world, person.userId)).filter(({ name }) => name.startsWith('reminder:'))
  const found = timers.map(({ name, dueMs }) => `${name.split(':')[1]} ${dueMs}`)
  const strange = found.filter((timer) => !expected.includes(timer))
  if (expected.sort().join() !== found.sort().join()) {
    report(`${waits.length} reminders wait and ${timers.length} timers are armed, ${strange.length} of them wrong`)
  }
  const given = await world.query(
    `select t.id, count(n.id)::int as times from tasks t left join notifications n
      on n.user_id = t.user_id and n.dedupe_key like 'reminder:' || t.id || ':%'
      where t.user_id = $1 and t.remind_at <= now() group by t.id`,
    [person.userId],
  )
  for (const { id, times } of given) if (times !== 1) report(`the reminder of ${id} was given ${times} times`)
}
