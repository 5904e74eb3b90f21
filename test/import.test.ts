import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFINITION, OBJECTS } from './matrix-objects.ts'
import { exportAll, importAll, pages, viewOf } from './proofs/lib-archive.ts'
import { need } from './proofs/lib-kinds.ts'
import { type Person, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

async function seen(person: Person, path: string) {
  return JSON.parse((await person.api('GET', path)).text)
}

test('a life with its automation comes to another account as it was, sleeps there, and wakes when it is told to', async () => {
  const [person, heir] = [await world.person(), await world.person()]
  const daily = { ...DEFINITION, triggers: [{ kind: 'cron', cron: '0 9 * * *' }, { kind: 'webhook' }] }
  const made = await need(person, 'POST', '/v1/workflows', { name: 'Daily', definition: DEFINITION })
  await need(person, 'PATCH', `/v1/workflows/${made.id}`, { definition: daily, note: 'each day' })
  const run = { kind: 'run_workflow', workflowId: made.id }
  const when = { kind: 'cron', cron: '30 8 * * *' }
  await need(person, 'POST', '/v1/schedules', { name: 'Morning', when, action: run })
  for (const path of ['/v1/commitments', '/v1/suggestions']) await OBJECTS[path]?.make(world, person, 'a promise')
  const dismissed = await OBJECTS['/v1/suggestions']?.make(world, person, 'no, thanks')
  await need(person, 'POST', `/v1/suggestions/${dismissed}/dismiss`, { reason: 'no time' })
  const archive = await exportAll(world, person)
  const { imported, problems } = await importAll(heir, archive)
  // One of the two versions came with its workflow.
  expect([imported, problems]).toEqual([6, []])
  expect(await viewOf(heir)).toEqual(await viewOf(person))
  expect(await importAll(heir, archive)).toEqual({ imported: 0, problems: [] })
  const [workflow, schedule] = [...(await pages(heir, '/v1/workflows')), ...(await pages(heir, '/v1/schedules'))]
  expect([workflow, schedule]).toMatchObject([{ status: 'disabled' }, { status: 'paused', nextAt: null }])
  expect(schedule?.['action']).toEqual({ ...run, input: {}, workflowId: workflow?.['id'] })
  const armed = 'select count(*)::int as n from triggers where user_id = $1'
  expect(await world.query(armed, [heir.userId])).toEqual([{ n: 0 }])
  await need(heir, 'POST', `/v1/workflows/${String(workflow?.['id'])}/enable`)
  await need(heir, 'POST', `/v1/schedules/${String(schedule?.['id'])}/resume`)
  const woken = await seen(heir, `/v1/workflows/${String(workflow?.['id'])}`)
  expect(woken).toMatchObject({ definition: daily, definitionVersion: 2, status: 'enabled' })
  const woke = ['cron', 'webhook'].map((kind) => expect.objectContaining({ kind, active: true }))
  expect(woken).toMatchObject({ triggers: expect.arrayContaining(woke) })
  const { next } = await seen(heir, `/v1/schedules/${String(schedule?.['id'])}/next`)
  expect(next).toHaveLength(5)
  const [open] = await pages(heir, '/v1/commitments')
  await need(heir, 'POST', `/v1/commitments/${String(open?.['id'])}/done`)
})

test('what is wrong with one is told with its place, and what is no file to be taken back is refused', async () => {
  const [person, heir] = [await world.person(), await world.person()]
  for (const name of ['one', 'two']) await need(person, 'POST', '/v1/workflows', { name, definition: DEFINITION })
  const [one, two] = (await exportAll(world, person))('workflows')
  const inUse = { ...Object(one?.['inUse']), definition: { ...DEFINITION, actions: [] } }
  const body = { file: 'workflows', items: [{ ...one, inUse }, two] }
  const answer = await heir.api('POST', '/v1/me/import', { body })
  const json = JSON.parse(answer.text)
  expect([answer.status, json]).toMatchObject([
    200,
    {
      ...{ imported: 1, known: 0, left: [] },
      refused: [{ pointer: '/items/0/inUse/definition', detail: expect.stringContaining('does nothing') }],
      switchedOff: [expect.stringMatching(/^wfl_/)],
    },
  ])
  expect(await pages(heir, '/v1/workflows')).toMatchObject([{ id: json.switchedOff[0], name: two?.['name'] }])
  const none = await heir.api('POST', '/v1/me/import', { body: { file: 'triggers', items: [{ id: 'trg_1' }] } })
  expect(none.status).toBe(400)
})
