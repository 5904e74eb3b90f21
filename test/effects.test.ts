import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from './world.ts'

const START_MS = 60_000

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

async function perform(person: Awaited<ReturnType<World['person']>>, kind: string, input: object) {
  const answer = await person.api('POST', '/v1/effects', { body: { kind, input } })
  expect(answer.status).toBe(201)
  return JSON.parse(answer.text)
}

test('mail whose hold is over goes out in the name of its person, and what was undone in time does not', async () => {
  const person = await world.person()
  await world.query('update users set email_verified_at = now() where id = $1', [person.userId])
  const mail = { to: ['ada@example.com'], subject: 'Friday', text: 'At nine?' }
  const held = await perform(person, 'send_mail', mail)
  const other = await perform(person, 'send_mail', { ...mail, subject: 'Never' })
  expect(held).toMatchObject({ status: 'held', reversible: true, doneAt: null })
  const undone = await person.api('POST', '/v1/effects/undo', { body: { id: other.id } })
  expect(undone.json).toMatchObject({ items: [{ status: 'cancelled' }] })
  await world.query("update effects set held_until = now() - interval '1 minute' where user_id = $1", [person.userId])
  await world.scheduled()
  const letters = () => world.mailbox.messages().filter(({ kind }) => kind === 'letter')
  await expect.poll(() => letters().length, { timeout: 20_000, interval: 100 }).toBe(1)
  expect(letters()).toMatchObject([
    { to: 'ada@example.com', subject: 'Friday', replyTo: person.email, text: expect.stringContaining('At nine?') },
  ])
  const shown = async () => (await person.api('GET', `/v1/effects/${held.id}`)).json
  const evidence = { id: letters()[0]?.id, provider: 'local' }
  const taken = { status: 'done', reversible: false, doneAt: expect.any(String), evidence }
  await expect.poll(shown, { timeout: 20_000, interval: 100 }).toMatchObject(taken)
})

test('a key without the scope of a kind is refused it, by whatever door', async () => {
  const person = await world.person()
  const made = await person.api('POST', '/v1/api-keys', { body: { name: 'x', scopes: ['effects:write'] } })
  const token = JSON.parse(made.text).secret
  for (const path of ['/v1/effects', '/v1/effects/preview']) {
    const answer = await world.call('POST', path, { token, body: { kind: 'create_task', input: { title: 'x' } } })
    expect([answer.status, answer.json]).toMatchObject([403, { detail: 'This key may not create_task' }])
  }
})
