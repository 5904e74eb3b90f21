import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { defineEvent } from '#core'
import { type Message, tell } from '#queue'
import { deadLetters } from '#queue/tables'
import type { Person } from './database.ts'

const renamed = defineEvent('test.renamed', 'me', z.strictObject({ name: z.string() }))

// Any table will do for the change: here a note among the dead letters, already sent again.
/** A change with its event. */
export async function rename(person: Person, name: string): Promise<string> {
  const { db } = person
  const note = {
    id: `note_${crypto.randomUUID()}`,
    queue: 'test',
    messageId: 'x',
    body: JSON.stringify({ name }),
    redrivenAt: new Date(),
  }
  const made = db.$with('made').as(db.insert(deadLetters).values(note).returning())
  const data = sql`${made.body}`
  const told = tell(db, 'told', made, {
    kind: renamed,
    userId: person.actor.userId,
    key: made.id,
    version: sql`2`,
    data,
  })
  const [row] = await db.with(made, told).select({ id: told.id }).from(told)
  return row?.id ?? ''
}

/** As the queue hands it over, and what was said to it. */
export function message(outboxId: string, body: unknown = { v: 1, kind: 'event', outboxId }) {
  const said: string[] = []
  const it: Message = {
    id: outboxId,
    body,
    attempts: 1,
    ack: () => void said.push('ack'),
    retry: () => void said.push('retry'),
  }
  return { it, said }
}
