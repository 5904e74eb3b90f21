import { z } from '@hono/zod-openapi'
import { s } from '#core'

// Each is a domain's, and its events are told there: `mail` is drafts, and what became of letters.
const ROOMS = [
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
  'presence',
  'mail',
] as const
const ROOM_OF_ONE = /^(conversation|run):[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}$/

/** What a client may listen to. All of it is the person's own: the object behind the socket is. */
export const Topic = z.union([z.enum(ROOMS), z.string().max(60).regex(ROOM_OF_ONE)])
export type Topic = z.infer<typeof Topic>

/** Topics one socket may have joined: they travel in its attachment, which holds 16 KiB. */
export const MAX_TOPICS = 50

// Whose, a secret, and the proof that this deployment made it.
const TICKET = /^tkt_usr_[0-9a-hjkmnp-tv-z]{26}\.[\w-]{43}\.[\w-]{43}$/

const ticket = z.string().max(140).regex(TICKET)

export const Ticket = z
  .strictObject({ ticket: ticket.openapi({ description: 'Opens one WebSocket, once' }), expiresAt: s.instant })
  .openapi('Ticket')
export type Ticket = z.infer<typeof Ticket>

const topics = z
  .string()
  .max(60 * MAX_TOPICS)
  .default('')
  .transform((value) => value.split(',').filter(Boolean))
  .pipe(z.array(Topic).max(MAX_TOPICS))
  .openapi({
    type: 'string',
    maxLength: 60 * MAX_TOPICS,
    description: `Topics to join, separated by commas: ${ROOMS.join(', ')}, conversation:ID, run:ID`,
    example: 'tasks,notifications',
  })

/** How a socket is asked for. `epoch` and `offset` are what the client was last told: what it missed is sent first. */
export const ConnectQuery = z.strictObject({
  ticket: ticket.openapi({ description: 'From POST /v1/realtime/ticket' }),
  topics,
  epoch: z
    .string()
    .max(16)
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  offset: s.queryInt(0, Number.MAX_SAFE_INTEGER).optional(),
  device: s.id('dev').optional().openapi({ description: 'The id an earlier welcome gave this device' }),
})
export type ConnectQuery = z.infer<typeof ConnectQuery>
