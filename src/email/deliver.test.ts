import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { findAppError } from '#core'
import { takeJobs } from '#queue'
import { jobs } from '#queue/tables'
import { makePerson, type Person, testCtx } from '#test/database'
import { startSendGrid } from '#test/sendgrid-fake'
import { users } from '#users/tables'
import { pruneMail, sendQueuedMail } from './deliver.ts'
import { type NewMail, sendMail } from './send.ts'
import { emailMessages } from './tables.ts'

let fake: Awaited<ReturnType<typeof startSendGrid>>
beforeAll(async () => {
  fake = await startSendGrid()
})
afterAll(() => fake.stop())

/** A person whose deployment sends by the fake. */
async function somebody(): Promise<Person> {
  const { config } = testCtx()
  const from = { from: 'hello@aurelius.example.com', fromName: 'Aurelius' }
  const mail = { ...from, provider: 'sendgrid' as const, apiKey: fake.apiKey, baseUrl: fake.url }
  return await makePerson({ config: { ...config, mail } })
}

const URL_SENT = 'https://app.example.com/reset?token=s3cret'
const toOf = ({ actor }: Person) => `${actor.userId}@example.com`
const reset = (person: Person, n = 0): NewMail<'password_reset'> => ({
  userId: person.actor.userId,
  to: toOf(person),
  template: 'password_reset',
  data: { name: 'Sam', url: URL_SENT, expires: '12:30' },
  key: `reset:${person.actor.userId}:${n}`,
})
const welcome = (person: Person): NewMail<'welcome'> => ({
  ...reset(person),
  template: 'welcome',
  data: { name: 'Sam', url: 'https://app.example.com' },
})

/** Queues it as a batch of its own; answers its job. */
async function queue(person: Person, mail: NewMail<'password_reset'> | NewMail<'welcome'>): Promise<string> {
  // Each of the two is one of the kinds.
  const { statements, job } = await sendMail(person, mail as NewMail<'welcome'>)
  const [first, ...rest] = statements
  if (first) await person.db.batch([first, ...rest])
  return job?.jobId ?? ''
}

/** The job as its handler finds it; answers what it would be told to do: done, or to come again. */
async function deliver(person: Person, id: string): Promise<string> {
  const [job] = await person.db.select().from(jobs).where(eq(jobs.id, id))
  if (!job) return 'no such job'
  try {
    await sendQueuedMail(person, { ...job, userId: job.owner, attempt: 1 })
    return 'done'
  } catch (error) {
    return `again in ${findAppError(error)?.retryAfterS}`
  }
}

/** One message of its queue. */
async function arrive(person: Person, jobId: string): Promise<void> {
  const body = { v: 1, kind: 'job', jobId }
  const message = { id: jobId, body, attempts: 1, ack: () => undefined, retry: () => undefined }
  await takeJobs(person, 'email', [message], { send_mail: sendQueuedMail })
}

const accepted = (person: Person) =>
  fake.accepted.filter(({ personalizations }) => personalizations[0]?.to[0]?.email === toOf(person))
const rows = ({ db, actor }: Person) =>
  db.select().from(emailMessages).where(eq(emailMessages.userId, actor.userId)).orderBy(emailMessages.id)

async function rowOf(person: Person) {
  const [row] = await rows(person)
  if (!row) throw new Error('there is no mail')
  return row
}

test('mail is written with what it tells of, and sent after; its content is sealed, and gone once it went', async () => {
  const person = await somebody()
  // What others left waiting would have its turn first.
  await person.db.delete(jobs)
  const jobId = await queue(person, reset(person))
  const waiting = await rowOf(person)
  expect(waiting).toMatchObject({ status: 'queued', toAddress: toOf(person), attempts: 0 })
  expect(JSON.stringify(waiting)).not.toContain('s3cret')
  const { userId } = person.actor
  const asked = { id: jobId, queue: 'email', kind: 'send_mail', owner: userId, ref: waiting.id, status: 'waiting' }
  expect(await person.db.select().from(jobs).where(eq(jobs.owner, userId))).toMatchObject([asked])
  await arrive(person, jobId)
  expect(await person.db.select().from(jobs).where(eq(jobs.owner, userId))).toMatchObject([{ status: 'done' }])
  expect(accepted(person)).toHaveLength(1)
  expect(accepted(person)[0]?.content[0]?.value).toContain(URL_SENT)
  expect(await rowOf(person)).toMatchObject({
    status: 'sent',
    content: null,
    providerId: expect.any(String),
    attempts: 1,
  })
})

test('a job that is done again, also at the same time, sends nothing more', async () => {
  const person = await somebody()
  const jobId = await queue(person, reset(person))
  for (let n = 0; n < 3; n++) expect(await deliver(person, jobId)).toBe('done')
  await Promise.all(Array.from({ length: 3 }, () => deliver(person, jobId)))
  expect(accepted(person)).toHaveLength(1)
})

test('several deliveries at once send one mail', async () => {
  const person = await somebody()
  const jobId = await queue(person, reset(person))
  const said = await Promise.all(Array.from({ length: 5 }, () => deliver(person, jobId)))
  expect(accepted(person)).toHaveLength(1)
  expect(said).toContain('done')
  expect(await deliver(person, jobId)).toBe('done')
  expect(accepted(person)).toHaveLength(1)
})

test('the same key is the same mail', async () => {
  const person = await somebody()
  const first = await queue(person, reset(person))
  const second = await queue(person, reset(person))
  expect(await rows(person)).toHaveLength(1)
  await deliver(person, second)
  await deliver(person, first)
  expect(accepted(person)).toHaveLength(1)
})

test('a vendor that has no time is asked again when it said, and then it is sent once', async () => {
  const person = await somebody()
  const jobId = await queue(person, welcome(person))
  fake.fail({ status: 429, headers: { 'retry-after': '42' } })
  expect(await deliver(person, jobId)).toBe('again in 42')
  expect(await rowOf(person)).toMatchObject({ status: 'queued', error: 'sendgrid 429', content: expect.any(String) })
  expect(await deliver(person, jobId)).toBe('done')
  expect(accepted(person)).toHaveLength(1)
})

test('what is refused for good is over, and says so', async () => {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const person = { ...(await somebody()), log }
  const jobId = await queue(person, reset(person))
  fake.fail({ status: 400 })
  expect(await deliver(person, jobId)).toBe('done')
  expect(await rowOf(person)).toMatchObject({ status: 'failed', content: null, error: 'sendgrid 400' })
  expect(log.error).toHaveBeenCalledWith('email.failed', expect.objectContaining({ kind: 'password_reset' }))
  expect(JSON.stringify(log.error.mock.calls)).not.toContain('@')
})

test('an answer that was lost: mail of security goes again, a welcome does not', async () => {
  const [one, other] = [await somebody(), await somebody()]
  const [security, greeting] = [await queue(one, reset(one)), await queue(other, welcome(other))]
  fake.fail('break')
  expect(await deliver(one, security)).toMatch(/^again/)
  expect(await deliver(one, security)).toBe('done')
  expect(accepted(one)).toHaveLength(2)
  fake.fail('break')
  expect(await deliver(other, greeting)).toBe('done')
  expect(await deliver(other, greeting)).toBe('done')
  expect(accepted(other)).toHaveLength(1)
  expect(await rowOf(other)).toMatchObject({ status: 'maybe_sent', content: null })
})

/** As a machine leaves it that died between sending and saying so, `seconds` ago. */
async function dieAfterSending(person: Person, seconds: number) {
  const claimedAt = sql`now() - ${seconds} * interval '1 second'`
  const { id } = await rowOf(person)
  await person.db
    .update(emailMessages)
    .set({ status: 'sending', attempts: 1, claimedAt })
    .where(eq(emailMessages.id, id))
}

test('a machine that died before it said so: nobody sends meanwhile; then it goes by the kind', async () => {
  const [one, other] = [await somebody(), await somebody()]
  const [security, greeting] = [await queue(one, reset(one)), await queue(other, welcome(other))]
  await Promise.all([dieAfterSending(one, 5), dieAfterSending(other, 5)])
  expect(await deliver(one, security)).toBe('again in 20')
  expect(await deliver(other, greeting)).toBe('again in 20')
  await Promise.all([dieAfterSending(one, 25), dieAfterSending(other, 25)])
  expect(await deliver(one, security)).toBe('done')
  expect(await deliver(other, greeting)).toBe('done')
  expect([accepted(one).length, accepted(other).length]).toEqual([1, 0])
  expect(await rowOf(one)).toMatchObject({ status: 'sent', attempts: 2 })
  expect(await rowOf(other)).toMatchObject({ status: 'maybe_sent', content: null })
})

test('one address gets so many of a kind an hour, also when all are asked for at once; the rest is recorded', async () => {
  const person = await somebody()
  const asked = Array.from({ length: 8 }, (_, n) => ({
    ...reset(person, n),
    to: n % 2 ? toOf(person) : toOf(person).toUpperCase(),
  }))
  const jobIds = await Promise.all(asked.map((mail) => queue(person, mail)))
  const refused = (await rows(person)).filter(({ status }) => status === 'refused')
  expect(refused).toHaveLength(3)
  expect(refused[0]).toMatchObject({ content: null, error: 'too many this hour' })
  const said = await Promise.all(jobIds.map((jobId) => deliver(person, jobId)))
  expect(said.toSorted()).toEqual([...Array(5).fill('done'), ...Array(3).fill('no such job')])
  expect((await rows(person)).filter(({ status }) => status === 'sent')).toHaveLength(5)
  const other = welcome(person)
  await deliver(person, await queue(person, { ...other, key: `${other.key}:welcome` }))
  expect((await rows(person)).filter(({ status }) => status === 'sent')).toHaveLength(6)
})

test('an address that takes no mail is recorded, and nothing else fails of it', async () => {
  const person = await somebody()
  await queue(person, { ...reset(person), to: `${'a'.repeat(70)}@example.com` })
  expect(await rowOf(person)).toMatchObject({ status: 'refused', content: null, error: 'the address takes no mail' })
})

test('without a provider nothing is written and nothing fails', async () => {
  const person = await makePerson()
  expect(await sendMail(person, welcome(person))).toMatchObject({ statements: [], job: null })
})

test('content under a key that is gone is not sent as anything else', async () => {
  const person = await somebody()
  const jobId = await queue(person, reset(person))
  const config = { ...person.config, encryptionKeys: [{ id: 'new', key: `${'A'.repeat(43)}=` }] }
  expect(await deliver({ ...person, config }, jobId)).toBe('done')
  expect(await rowOf(person)).toMatchObject({ status: 'failed', content: null })
  expect(accepted(person)).toHaveLength(0)
})

test('what was not sent in a day loses its content, and a month later every row goes', async () => {
  const person = await somebody()
  const jobId = await queue(person, reset(person))
  const age = async (interval: string) => {
    const createdAt = sql`now() - ${interval}::interval`
    await person.db.update(emailMessages).set({ createdAt }).where(eq(emailMessages.userId, person.actor.userId))
    await pruneMail(person)
  }
  await age('23 hours')
  expect(await rowOf(person)).toMatchObject({ status: 'queued', content: expect.any(String) })
  await age('25 hours')
  expect(await rowOf(person)).toMatchObject({ status: 'failed', content: null })
  expect(await deliver(person, jobId)).toBe('done')
  expect(accepted(person)).toHaveLength(0)
  await age('31 days')
  expect(await rows(person)).toEqual([])
})

test('mail that waits goes with the person it is for', async () => {
  const person = await somebody()
  const jobId = await queue(person, reset(person))
  await person.db.delete(users).where(eq(users.id, person.actor.userId))
  expect(await rows(person)).toEqual([])
  await deliver(person, jobId)
  expect(accepted(person)).toHaveLength(0)
})
