import { confirmedApp } from '../matrix-factors.ts'
import { makeJob } from '../matrix-valid.ts'
import { demanding } from '../signing.ts'
import { makeId, PASSWORD, type World } from '../world.ts'
import { OWN_CODES } from './lib-own-codes.ts'
import { OWN_FACTORS } from './lib-own-factors.ts'
import { OWN_PROVIDERS } from './lib-own-providers.ts'
import { OWN_WEBHOOKS } from './lib-own-webhooks.ts'
import { type Try, withBody, withHeaders, withPath } from './lib-tries.ts'

/** What only the verb behind an operation can refuse, or give. */
export const OWN: Record<string, (world: World, asked: Try) => Promise<Try[]>> = {
  register: async (world, asked) => [
    withBody(asked, { ...Object(asked.request.options.body), email: (await world.person()).email }),
  ],
  login: async (world, asked) => {
    const person = await world.person()
    await confirmedApp(person)
    return [
      withBody(asked, { ...Object(asked.request.options.body), password: 'not the right password' }),
      withBody(asked, { email: person.email, password: PASSWORD }),
    ]
  },
  ...OWN_CODES,
  ...OWN_PROVIDERS,
  ...OWN_FACTORS,
  ...OWN_WEBHOOKS,
  getExportArchive: async (_, asked) => [withHeaders(asked, { range: 'bytes=0-0' })],
  finishMcpConnect: async (_, asked) => [withPath(asked, '/v1/mcp/callback')],
  createRealtimeTicket: async (_, asked) => [withHeaders(asked, { origin: 'https://evil.example' })],
  connectRealtime: async (_, asked) => [withHeaders(asked, { origin: 'https://evil.example' })],
  sendMessage: async (_, asked) => [withHeaders(asked, { accept: 'text/event-stream' })],
  updateTask: async (_, asked) => {
    await asked.owner.api('POST', `${asked.request.path}/complete`)
    return [withBody(asked, { status: 'pending' })]
  },
  bulkTasks: async (_, asked) => {
    const { json } = await asked.owner.api('POST', '/v1/tasks', { body: { title: 'x' } })
    const { id } = Object(json)
    const update = (item: object) => withBody(asked, { action: 'update', items: [{ patch: { title: 'y' }, ...item }] })
    return [update({ id, version: 1 }), update({ id, version: 99 }), update({ id: makeId('task') })]
  },
  addSigningKey: async (_, asked) => {
    await asked.owner.api('POST', asked.request.path, asked.request.options)
    return [asked]
  },
  removeSigningKey: async (world, { owner: other }) => {
    const owner = (await world.people(1))[0] ?? other
    const { signer, keyid } = await demanding(world, owner)
    const path = `/v1/signing-keys/${keyid}`
    const headers = await signer.sign(keyid, { method: 'DELETE', url: `${world.vars.PUBLIC_URL}${path}` })
    return [{ owner, request: { method: 'DELETE', path, options: { headers } } }]
  },
  setPersonPlan: async (_, asked) => [withPath(asked, `/v1/admin/people/${makeId('usr')}/plan`)],
  retryJob: async (world, asked) => [
    withPath(asked, `/v1/admin/jobs/${await makeJob(world, asked.owner.userId)}/retry`),
  ],
  redriveDeadLetter: async (world, asked) => {
    await asked.owner.api('POST', '/v1/tasks', { body: { title: 'x' } })
    const [event] = await world.query('select id from outbox where user_id = $1', [asked.owner.userId])
    const letter = async (outboxId: unknown) => {
      const id = makeId('dlq')
      await world.query(
        `insert into dead_letters (id, queue, message_id, outbox_id, body) values ($1, 'q', $1, $2, '{}')`,
        [id, outboxId],
      )
      return withPath(asked, `/v1/admin/dead-letters/${id}/redrive`)
    }
    return [await letter(event?.id), await letter('of nothing')]
  },
}
