import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { discardDraft, draftMail, keepDraft, markSent } from './drafts.ts'

const MAIL = { to: ['ada@example.com'], subject: 'Friday', text: 'At nine?' }
const told = async ({ db, actor }: Person) => {
  const rows = await db.select().from(outbox).where(eq(outbox.userId, actor.userId)).orderBy(outbox.version)
  return rows.map(({ type, room, version, data }) => [type, room, version, data])
}

test('what becomes of a draft is told in the room of mail, each once, in one trip', async () => {
  const person = await makePerson()
  person.meter.trips = 0
  const draft = await draftMail(person, MAIL)
  expect(person.meter.trips).toBe(1)
  await draftMail({ ...person, newId: () => draft.id }, MAIL)
  await discardDraft(person, draft.id)
  await keepDraft(person, draft.id)
  for (const _ of [1, 2]) await markSent(person, draft.id)
  const of = (version: number) => expect.objectContaining({ id: draft.id, subject: 'Friday', version })
  expect(await told(person)).toEqual([
    ['mail_draft.created', 'mail', 1, of(1)],
    ['mail_draft.deleted', 'mail', 2, of(2)],
    ['mail_draft.updated', 'mail', 3, of(3)],
    ['mail_draft.updated', 'mail', 4, expect.objectContaining({ sentAt: expect.any(String) })],
  ])
  expect(person.sent).toHaveLength(4)
  await expect(discardDraft(await makePerson(), draft.id)).rejects.toMatchObject({ code: 'not_found' })
})
