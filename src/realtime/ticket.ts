import { sql } from 'drizzle-orm'
import type { Config } from '#config'
import { AppError, type UserCtx } from '#core'
import { liveSession } from '#database'
import { isSame, sign } from '#security'
import type { Ticket } from './schema.ts'

type TicketCtx = Pick<UserCtx, 'actor' | 'db' | 'env' | 'config'>

function macOf(config: Config, ticket: string): string {
  return sign(config.auth.refreshKey, 'realtime ticket', ticket)
}

/** A ticket for one WebSocket of this session, bound to the page that asks. One trip: the session must be alive. */
export async function makeTicket(ctx: TicketCtx, origin: string | null): Promise<Ticket> {
  const { userId, sessionId } = ctx.actor
  if (sessionId === null) throw new AppError('forbidden', 'Only a session opens a socket')
  await ctx.db.execute(sql`select ${liveSession(ctx.actor)}`)
  const issued = await ctx.env.USER_SESSION.getByName(userId).issueTicket({ userId, sessionId, origin })
  if (!issued.ok) throw new AppError('session_ended', 'This session has ended; sign in again')
  return { ticket: `${issued.ticket}.${macOf(ctx.config, issued.ticket)}`, expiresAt: issued.expiresAt }
}

/**
 * Whose object a ticket opens; `invalid_token` unless this deployment made it. Asked before any object is: an object
 * exists from its first call on, and nobody makes one by guessing a name.
 */
export function ownerOf(config: Config, ticket: string): string {
  const end = ticket.lastIndexOf('.')
  const [made, mac] = [ticket.slice(0, end), ticket.slice(end + 1)]
  if (!isSame(mac, macOf(config, made))) throw new AppError('invalid_token', 'The ticket is unknown, used or too old')
  return made.slice('tkt_'.length, made.indexOf('.'))
}
