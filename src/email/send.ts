import { and, eq, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { enqueueOf, type QueuedJob } from '#queue'
import { seal } from '#security'
import { paragraph, render, shown, type Template } from './component.ts'
import { Address, Content } from './message.ts'
import { emailMessages } from './tables.ts'
import { type MailKind, TEMPLATES, type Templates } from './templates/all.ts'

export type { MailKind }
export type DataOf<K extends MailKind> = Parameters<Templates[K]['body']>[0]
export type NewMail<K extends MailKind> = {
  /** Whom it is about; null where the address is nobody's yet. */
  userId: string | null
  to: string
  template: K
  data: DataOf<K>
  /** What it is sent for: the same key again is the same mail, which is not sent twice. */
  key: string
}

/** The place its content is sealed for. */
export const placeOf = (id: string, userId: string | null) => ({
  table: 'email_messages',
  column: 'content',
  rowId: id,
  userId: userId ?? '',
})

/**
 * Mail as statements for the batch of what it tells of, and the job to `kick` after it. It is recorded as refused where
 * the address takes none, or had as many of the kind this hour as it may.
 */
export async function sendMail<K extends MailKind>(ctx: MailCtx, { template: kind, data, ...mail }: NewMail<K>) {
  // The type of a template's data is lost in the table of all of them.
  const template: Template<DataOf<K>> = TEMPLATES[kind]
  return await queue(ctx, { ...mail, kind, perHour: template.perHour, content: () => render(template, data) })
}

const LETTERS_PER_HOUR = 10

/** What a person has their assistant write to somebody: answers go to them. */
export type NewLetter = {
  userId: string
  to: string
  key: string
  subject: string
  text: string
  name: string
  replyTo: string
}

/** A letter as such statements. It is never sent twice: one whose fate nobody knows is kept as `maybe_sent`. */
export async function sendLetter(ctx: MailCtx, { subject, text, name, replyTo, ...mail }: NewLetter) {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const from = paragraph(`Written for ${shown(name)} by their assistant; an answer goes to ${replyTo}.`)
  const letter = {
    subject,
    perHour: LETTERS_PER_HOUR,
    isRepeatable: false,
    body: () => [...lines.map(paragraph), from],
  }
  const content = () => ({ ...render(letter, undefined), replyTo })
  return await queue(ctx, { ...mail, kind: 'letter', perHour: LETTERS_PER_HOUR, isAskedAgain: true, content })
}

type MailCtx = Pick<Ctx, 'db' | 'config' | 'newId'>
type Queued = Pick<NewMail<MailKind>, 'userId' | 'to' | 'key'> & {
  kind: string
  perHour: number
  /** One that was refused is asked for anew by the same key, under the same id. */
  isAskedAgain?: boolean
  content(): Content
}

async function queue(ctx: MailCtx, { userId, to, key, kind, perHour, isAskedAgain, content: write }: Queued) {
  const { db, config } = ctx
  const nothing = sql<boolean>`false`
  if (!config.mail) return { statements: [], id: null, job: null, isQueued: nothing, isTaken: nothing }
  const id = ctx.newId('eml')
  const content = JSON.stringify(Content.parse(write()))
  const sealed = await seal(config.encryptionKeys, placeOf(id, userId), content)
  const e = emailMessages
  const sent = sql`select count(*) from ${e} where lower(${e.toAddress}) = ${to.toLowerCase()}
    and ${e.kind} = ${kind} and ${e.createdAt} > now() - interval '1 hour' and ${e.status} <> 'refused'`
  const problem = Address.safeParse(to).success
    ? sql`case when (${sent}) >= ${perHour}::int then 'too many this hour' end`
    : sql`'the address takes no mail'::text`
  const made = db.$with('made').as(
    db
      .insert(e)
      .values({
        ...{ id, userId, key, kind, toAddress: to },
        error: problem,
        status: sql`case when (${problem}) is null then 'queued' else 'refused' end`,
        content: sql`case when (${problem}) is null then ${sealed}::text end`,
      })
      .onConflictDoUpdate({
        target: e.key,
        set: {
          error: sql`excluded.error`,
          status: sql`excluded.status`,
          content: sql`excluded.content`,
          createdAt: sql`now()`,
        },
        setWhere: isAskedAgain ? and(eq(e.status, 'refused'), eq(e.id, id)) : sql`false`,
      })
      .returning(),
  )
  const due = db
    .$with('due')
    .as(db.select({ id: made.id, userId: made.userId }).from(made).where(eq(made.status, 'queued')))
  const job: QueuedJob = { queue: 'email', jobId: ctx.newId('job') }
  const asked = enqueueOf(db, 'asked', due, {
    ...{ id: job.jobId, queue: 'email', kind: 'send_mail' },
    userId: due.userId,
    ref: due.id,
    key: sql`'mail:' || ${due.id}`,
  })
  // Those who come at once count one after the other: a statement sees what was committed before it began.
  const lock = sql`hashtextextended(${`${kind} ${to.toLowerCase()}`}::text, 0)`
  return {
    statements: [
      db.execute(sql`select pg_advisory_xact_lock(${lock})::text`),
      db.with(made, due, asked).select({ jobId: asked.id }).from(asked),
    ],
    job,
    id,
    /** Whether it was not refused, now or the first time. */
    isTaken: sql<boolean>`exists (select 1 from ${e} where ${e.key} = ${key} and ${e.status} <> 'refused')`,
    /** For later statements of the batch: whether it will be sent. */
    isQueued: sql<boolean>`exists (select 1 from ${e} where ${e.id} = ${id} and ${e.status} = 'queued')`,
  }
}
