import { expect, test } from 'vitest'
import { personOnServer } from '#test/server'
import { sendMail } from './send.ts'
import { emailMessages } from './tables.ts'

test('mail asked for by many at once counts to the last one', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const { person } = server
    const { userId } = person.actor
    const mail = { provider: 'local' as const, from: 'a@example.com', fromName: 'Aurelius', url: 'http://127.0.0.1:1' }
    const ctx = { ...person, config: { ...person.config, mail } }
    const data = { name: 'Sam', url: 'https://app.example.com', expires: 'noon' }
    const ask = async (_: unknown, n: number) => {
      const to = `${userId}@example.com`
      const { statements } = await sendMail(ctx, { userId, to, template: 'magic_link', data, key: `link:${n}` })
      const [first, ...rest] = statements
      if (first) await person.db.batch([first, ...rest])
    }
    await Promise.all(Array.from({ length: 30 }, ask))
    const rows = await person.db.select({ status: emailMessages.status }).from(emailMessages)
    expect(rows.filter(({ status }) => status === 'queued')).toHaveLength(5)
    expect(rows.filter(({ status }) => status === 'refused')).toHaveLength(25)
  } finally {
    await server.close()
  }
}, 60_000)
