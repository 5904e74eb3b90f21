import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { makePerson, revoke } from '#test/database'
import { draftWorkflow as drafted } from './draft.ts'
import { Draft } from './draft-schema.ts'
import { listWorkflows } from './read.ts'

const claude = new LLMock({ port: 0 })
beforeAll(() => claude.start())
afterAll(() => claude.stop())
beforeEach(() => {
  claude.reset()
})

/** As it is answered, which the document promises. */
const draftWorkflow = async (...given: Parameters<typeof drafted>) => Draft().parse(await drafted(...given))

async function withClaude() {
  const person = await makePerson({ timeZone: 'Europe/Berlin', now: () => new Date('2026-11-23T10:00:00.000Z') })
  const vars = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: claude.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
  return { ...person, config: readConfig({ ...inject('vars'), ...vars }) }
}

const GOOD = {
  ...{ triggers: [{ kind: 'cron', cron: '0 8 * * 1-5' }], priority: 'routine', gather: [], analysis: null },
  ...{ suggestion: null, actions: [{ id: 'tell', do: 'notify', input: { title: 'Stretch' } }] },
}
const proposal = (definition: unknown, over = {}) => ({
  toolCalls: [
    {
      name: 'propose_workflow',
      arguments: JSON.stringify({
        name: 'Stretch',
        says: 'Each weekday at 8 it tells you to stretch.',
        definition,
        ...over,
      }),
    },
  ],
  usage: { input_tokens: 1000, output_tokens: 100 },
})
/** What the vendor was sent, the latest last. */
const sent = () => claude.getRequests().map(({ body }) => Object(body))

test('offline a sentence is read by rules, with its next runs; nothing is kept', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin', now: () => new Date('2026-11-23T10:00:00.000Z') })
  const draft = await draftWorkflow(person, { text: 'every weekday at 8 tell me what is due' })
  expect(draft).toMatchObject({
    ...{ understood: true, template: 'morning_brief', model: null, costMicros: 0, faults: [] },
    workflow: { name: 'Morning brief', params: { at: '08:00' } },
  })
  expect(draft.next.slice(0, 2)).toEqual(['2026-11-24T07:00:00.000Z', '2026-11-25T07:00:00.000Z'])
  expect((await listWorkflows(person, { limit: 10 })).items).toEqual([])
  expect(await draftWorkflow(person, { text: 'make my life better' })).toMatchObject({
    ...{ understood: false, workflow: null, notUnderstood: ['make my life better'] },
    because: expect.stringContaining('does not say when'),
  })
})

test('with a model its proposal is judged as what is saved, and what it cost is told', async () => {
  const person = await withClaude()
  claude.on({ userMessage: 'stretch' }, proposal(GOOD))
  const draft = await draftWorkflow(person, { text: 'stretch reminders on workdays' })
  expect(draft).toMatchObject({
    ...{ understood: true, says: 'Each weekday at 8 it tells you to stretch.', repairs: 0, model: 'claude-sonnet-5-5' },
    workflow: { name: 'Stretch', definition: GOOD },
  })
  expect(draft.next[0]).toBe('2026-11-24T07:00:00.000Z')
  expect(draft.costMicros).toBeGreaterThan(0)
  const [request] = sent()
  expect(JSON.stringify(request)).toContain('propose_workflow')
  expect(JSON.stringify(request)).toContain('create_task')
  expect((await listWorkflows(person, { limit: 10 })).items).toEqual([])
})

test('which model made it, why and for how much is told beside it; of rules nothing is', async () => {
  const person = await withClaude()
  claude.on({ userMessage: 'twice', turnIndex: 0 }, proposal({ ...GOOD, priority: 'whenever' }))
  claude.on({ userMessage: 'twice', turnIndex: 1 }, proposal(GOOD))
  const told: Record<string, string>[] = []
  const tell = (headers: Record<string, string>) => void told.push(headers)
  const { costMicros } = await drafted(person, { text: 'twice' }, tell)
  await drafted(await makePerson(), { text: 'every weekday at 8 tell me what is due' }, tell)
  expect(told).toEqual([
    expect.objectContaining({
      ...{ 'Aurelius-Model': 'claude-sonnet-5-5', 'Aurelius-Provider': 'anthropic', 'Aurelius-Cache': 'off' },
      ...{ 'Aurelius-Cost-Micros': String(costMicros), 'Aurelius-Decision': expect.stringMatching(/^aic_/) },
      'Server-Timing': expect.stringMatching(/^choice;dur=.*upstream;dur=/),
    }),
  ])
})

test('faults are fed back with their places, and the correction is taken', async () => {
  const person = await withClaude()
  claude.on({ userMessage: 'fix me', turnIndex: 0 }, proposal({ ...GOOD, priority: 'whenever' }))
  claude.on(
    { userMessage: 'fix me', turnIndex: 1 },
    proposal({ ...GOOD, actions: [{ id: 'x', do: 'fly', input: {} }] }),
  )
  claude.on({ userMessage: 'fix me', turnIndex: 2 }, proposal(GOOD))
  const draft = await draftWorkflow(person, { text: 'fix me' })
  expect(draft).toMatchObject({ understood: true, repairs: 2, faults: [] })
  const said = sent().map((request) => JSON.stringify(request))
  expect(said).toHaveLength(3)
  expect(said[1]).toContain('/definition/priority')
  expect(said[2]).toContain('/definition/actions/0/do')
})

test('after two corrections it is told what is wrong', async () => {
  const person = await withClaude()
  claude.on({ userMessage: 'hopeless' }, proposal({ ...GOOD, actions: [] }))
  const draft = await draftWorkflow(person, { text: 'hopeless' })
  expect(draft).toMatchObject({ understood: false, workflow: null, repairs: 2, faults: [{ pointer: '/definition' }] })
  expect(sent()).toHaveLength(3)
})

test('what no definition can do is told, not guessed', async () => {
  const person = await withClaude()
  claude.on(
    { userMessage: 'weather' },
    proposal(null, { says: 'There is no weather here.', notUnderstood: ['the weather'] }),
  )
  expect(await draftWorkflow(person, { text: 'the weather each day' })).toMatchObject({
    ...{ understood: false, notUnderstood: ['the weather'], because: 'There is no weather here.', repairs: 0 },
  })
})

test('while the model is away the rules read it', async () => {
  const person = await withClaude()
  claude.on({ userMessage: 'drink' }, { error: { message: 'no', type: 'invalid_request_error' }, status: 400 })
  expect(await draftWorkflow(person, { text: 'every 2 hours remind me to drink' })).toMatchObject({
    ...{ understood: true, model: null, workflow: { name: 'Drink' } },
  })
})

test('what a model was paid before the rules read it is told, in the answer and beside it', async () => {
  const person = await withClaude()
  const text = 'every 2 hours remind me to drink'
  const unfit = proposal({ ...GOOD, actions: [] })
  claude.on({ userMessage: 'drink', turnIndex: 0 }, unfit)
  claude.on(
    { userMessage: 'drink', turnIndex: 1 },
    { error: { message: 'no', type: 'invalid_request_error' }, status: 400 },
  )
  const told: Record<string, string> = {}
  const draft = Draft().parse(await drafted(person, { text }, (headers) => void Object.assign(told, headers)))
  expect(draft).toMatchObject({ understood: true, model: null, workflow: { name: 'Drink' } })
  // 1,000 read at 2 dollars a million and 100 written at 10.
  expect(draft.costMicros).toBe(3000)
  expect(told).toMatchObject({
    ...{ 'Aurelius-Model': 'claude-sonnet-5-5', 'Aurelius-Provider': 'anthropic', 'Aurelius-Cost-Micros': '3000' },
    ...{ 'Aurelius-Cache': 'off', 'Aurelius-Decision': expect.stringMatching(/^aic_/) },
  })
})

test('an ended session drafts nothing', async () => {
  const person = await makePerson()
  await revoke(person)
  await expect(draftWorkflow(person, { text: 'every day at 8 tell me what is due' })).rejects.toThrow()
})
