import type { z } from 'zod'
import { type Later, settled } from './schema.ts'

/**
 * A kind of domain event. `room` is the realtime topic its clients join; null keeps it inside.
 * The outbox row carries `key` (what it is about) and `version`, so that a late one can be known.
 */
export type EventKind<T extends z.ZodType = z.ZodType> = { type: string; room: string | null; data: T }

export function defineEvent<T extends z.ZodType>(type: string, room: string | null, data: Later<T>): EventKind<T> {
  return {
    type,
    room,
    get data() {
      return settled(data)
    },
  }
}

/** An event as consumers read it from the outbox. `id` is what makes a second delivery known. */
export type DomainEvent = {
  id: string
  type: string
  userId: string
  room: string | null
  key: string
  version: number
  data: unknown
  at: string
}
