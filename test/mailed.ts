import { eq, inArray } from 'drizzle-orm'
import { accountSubscriber } from '#auth'
import type { Ctx } from '#core'
import { emailMessages } from '#email/tables'
import { outbox } from '#queue/tables'
import { unseal } from '#security'
import { type TestCtx, testCtx } from './database.ts'

const MAIL = { provider: 'local' as const, from: 'a@example.com', fromName: 'Aurelius', url: 'http://127.0.0.1:1' }

/** As `testCtx`, where mail is sent: it waits, for nobody takes it from the queue. */
export function mailCtx(over: Partial<Ctx> = {}, config: Partial<Ctx['config']> = {}): TestCtx {
  const ctx = testCtx(over)
  return { ...ctx, config: { ...ctx.config, mail: MAIL, ...config } }
}

/** In the order they were written. */
export const mailsTo = (ctx: Pick<Ctx, 'db'>, email: string) =>
  ctx.db.select().from(emailMessages).where(eq(emailMessages.toAddress, email)).orderBy(emailMessages.id)

/** Does what waits in the queue of this context to be written to people; `times` is how often it is delivered. */
export async function answerMail(ctx: TestCtx, times = 1): Promise<void> {
  const ids = ctx.sent.splice(0).flatMap((message) => (isEnvelope(message) ? [message.outboxId] : []))
  const events = await ctx.db.select().from(outbox).where(inArray(outbox.id, ids))
  const wanted = events.filter(({ type }) => accountSubscriber.wants(type))
  const all = Array.from({ length: times }, () => wanted).flat()
  await Promise.all(
    all.map((event) => accountSubscriber.handle(ctx, [{ ...event, at: event.createdAt.toISOString() }])),
  )
}

const isEnvelope = (message: unknown): message is { outboxId: string } =>
  typeof message === 'object' && message !== null && 'outboxId' in message && typeof message.outboxId === 'string'

/** The codes that wait to be mailed to an address, oldest first. */
export async function codesTo(ctx: Pick<Ctx, 'db' | 'config'>, email: string): Promise<string[]> {
  const texts = (await mailsTo(ctx, email)).map(async ({ id, userId, content }) => {
    const place = { table: 'email_messages', column: 'content', rowId: id, userId: userId ?? '' }
    return content === null ? '' : await unseal(ctx.config.encryptionKeys, place, content)
  })
  return (await Promise.all(texts)).flatMap((text) => /confirm#\w+=(ac_[\w-]{43})/.exec(text)?.[1] ?? [])
}
