import { sql } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { liveSession } from '#database'
import type { Ticket } from './schema.ts'

type TicketCtx = Pick<UserCtx, 'actor' | 'db' | 'env'>

/** A ticket for one WebSocket of this session, bound to the page that asks. One trip: the session must be alive. */
export async function makeTicket(ctx: TicketCtx, origin: string | null): Promise<Ticket> {
  const { userId, sessionId } = ctx.actor
  if (sessionId === null) throw new AppError('forbidden', 'Only a session opens a socket')
  await ctx.db.execute(sql`select ${liveSession(ctx.actor)}`)
  const issued = await ctx.env.USER_SESSION.getByName(userId).issueTicket({ userId, sessionId, origin })
  if (!issued.ok) throw new AppError('session_ended', 'This session has ended; sign in again')
  return { ticket: issued.ticket, expiresAt: issued.expiresAt }
}

/** Whose object a ticket opens. */
export function ownerOf(ticket: string): string {
  return ticket.slice('tkt_'.length, ticket.indexOf('.'))
}
