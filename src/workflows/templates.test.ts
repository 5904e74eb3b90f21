import { expect, test } from 'vitest'
import { createTask } from '#tasks'
import { makePerson } from '#test/database'
import { nowIn } from './cel-functions.ts'
import { Definition } from './definition.ts'
import { openExpressions } from './expression.ts'
import { effectInputs } from './kinds.ts'
import { getWorkflow } from './read.ts'
import { listTemplates, offeredTemplates, TEMPLATES, useTemplate } from './templates.ts'
import { faultsOf } from './validate.ts'
import { defaultsOf } from './when-of.ts'
import { NewFromTemplate, TemplateQuery } from './workflow-schema.ts'

const query = (given: object = {}) => TemplateQuery.parse(given)
const TASK_ID = 'task_01jd6w3k9q0123456789abcdef'
const cel = await openExpressions()
const NOW = new Date('2026-11-23T09:00:00Z')

test('every template is a definition that could run, under a name of its own', async () => {
  expect(TEMPLATES.length).toBeGreaterThanOrEqual(20)
  expect(new Set(TEMPLATES.map(({ key }) => key)).size).toBe(TEMPLATES.length)
  const kinds = new Map([...effectInputs(), ['create_event', null] as const])
  for (const { key, definition } of TEMPLATES)
    expect([key, await faultsOf(Definition().parse(definition), kinds)]).toEqual([key, []])
})

test('what needs a mailbox or a connected calendar is out of sight, and cannot be made', async () => {
  const keys = (await offeredTemplates()).map(({ key }) => key)
  expect(keys).toContain('morning_brief')
  for (const hidden of ['inbox_zero_sweep', 'unanswered_mail', 'travel_day', 'meeting_preparation'])
    expect(keys).not.toContain(hidden)
  const person = await makePerson()
  await expect(useTemplate(person, NewFromTemplate.parse({ template: 'travel_day' }))).rejects.toMatchObject({
    errors: [{ pointer: '/template' }],
  })
})

test('templates are found by their words, and what suits the person comes first with its reason', async () => {
  const person = await makePerson({ now: () => NOW })
  const { items } = await listTemplates(person, query({ text: 'late reschedule' }))
  expect(items.map(({ key, reason }) => [key, reason])).toEqual([['overdue_triage', null]])
  for (const n of [1, 2, 3]) await createTask(person, { title: `t${n}`, due: { date: '2026-11-20' }, labels: ['bill'] })
  const recommended = await listTemplates(person, query({ recommended: 'true' }))
  expect(recommended.items.map(({ key }) => key)).toEqual(
    expect.arrayContaining(['morning_brief', 'overdue_triage', 'bill_due']),
  )
  expect((await listTemplates(person, query())).items[0]?.reason).not.toBeNull()
  await useTemplate(person, NewFromTemplate.parse({ template: 'overdue_triage' }))
  const after = await listTemplates(person, query({ text: 'triage' }))
  expect(after.items).toMatchObject([{ key: 'overdue_triage', isUsed: true, reason: null }])
})

test('a template becomes a workflow with the choices of its person', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin', now: () => NOW })
  const input = { template: 'weekly_planning', name: 'My week', params: { on: 'friday', at: '16:30' } }
  const made = await useTemplate(person, NewFromTemplate.parse(input))
  expect(made).toMatchObject({ name: 'My week', template: 'weekly_planning', savesMinutes: 20 })
  const { triggers } = await getWorkflow(person, made.id)
  expect(triggers[0]?.next[0]).toBe('2026-11-27T15:30:00.000Z')
  await expect(
    useTemplate(person, NewFromTemplate.parse({ ...input, params: { on: 'someday' } })),
  ).rejects.toMatchObject({
    errors: [{ pointer: '/params/on' }],
  })
})

// A life in which every template has something to find.
const task = (n: number, over: object = {}) => ({
  ...{ id: `task_${n}`, kind: 'task', title: `Task ${n}`, notes: '', status: 'pending', priority: 'high', labels: [] },
  ...{ projectId: null, due: '2026-11-24', dueTime: null, overdueDays: 5, estimateMinutes: 180, completedAt: null },
  createdAt: '2026-10-01T08:00:00.000Z',
  ...over,
})
const facts = (name: string) =>
  name === 'birthdays'
    ? [task(1, { due: '2026-11-30' })]
    : name === 'done'
      ? []
      : name === 'free'
        ? [
            {
              start: '2026-11-23T10:00:00.000Z',
              end: '2026-11-23T11:30:00.000Z',
              local: { date: '2026-11-23', time: '10:00', timeZone: 'UTC' },
              localEnd: { date: '2026-11-23', time: '11:30', timeZone: 'UTC' },
            },
          ]
        : name === 'tomorrow' || name === 'meetings'
          ? [task(1, { title: 'Flight to Oslo' }), task(2)]
          : [task(1), task(2, { due: null }), task(3, { estimateMinutes: null, due: '2026-11-23' })]

test.each(TEMPLATES.map((template) => [template.key, template] as const))(
  '%s finds something in a full life, says it in words, and finds nothing in an empty one',
  (key, { definition: given }) => {
    const definition = Definition().parse(given)
    const data = { subject: 'Your receipt', from: 'a@example.com', title: 't', priority: 'high' }
    const world = (isFull: boolean) => ({
      params: defaultsOf(definition.parameters ?? []),
      now: nowIn(NOW, 'Europe/Berlin'),
      trigger: { kind: 'manual', data },
      facts: Object.fromEntries(
        definition.gather.map((one) => [one.name, one.source === 'insights' ? {} : isFull ? facts(one.name) : []]),
      ),
    })
    const findings = (isFull: boolean) => {
      const scope = cel.scope(world(isFull))
      if (definition.analysis?.kind !== 'rules') return []
      return definition.analysis.findings.flatMap(({ when, title, facts: linked = '[]' }) => {
        const holds = cel.holds(when, scope)
        expect(holds).toMatchObject({ ok: true })
        if (!holds.ok || !holds.value) return []
        const [said, about] = [cel.render(title, scope), cel.evaluate(linked, scope)]
        expect([said, about]).toMatchObject([{ ok: true }, { ok: true }])
        return said.ok && about.ok ? [{ title: said.value, facts: about.value }] : []
      })
    }
    // A month is looked back at only where something was done.
    const isFound = key !== 'monthly_review'
    if (definition.analysis) expect([findings(true).length, findings(false).length]).toEqual([isFound ? 1 : 0, 0])
    const found = isFound ? findings(true) : [{ title: 'x', facts: [] }]
    const scope = cel.scope({ ...world(true), findings: found, steps: {} })
    const said = cel.render([definition.suggestion?.title, definition.suggestion?.body], scope)
    expect(said).toMatchObject({ ok: true, value: [expect.stringMatching(/\w/), expect.any(String)] })
    for (const step of definition.actions) {
      const acts = 'forEach' in step ? step.steps : [step]
      const item = 'forEach' in step ? cel.evaluate(step.forEach, scope) : { ok: true, value: [null] }
      expect(item).toMatchObject({
        ok: true,
        value: expect.arrayContaining([expect.anything()].slice(0, 'forEach' in step ? 1 : 0)),
      })
      const [one] = item.ok && Array.isArray(item.value) ? item.value : []
      const inner = cel.scope({ ...world(true), findings: found, steps: {}, item: one, task: one })
      for (const act of acts) {
        if (!('do' in act)) continue
        const input = cel.render(act.input, inner)
        expect(input).toMatchObject({ ok: true })
        const schema = effectInputs().get(act.do)
        const given =
          input.ok && typeof input.value === 'object'
            ? { ...input.value, ...('id' in act.input && { id: TASK_ID }) }
            : {}
        expect([act.id, schema?.safeParse(given).error?.issues ?? []]).toEqual([act.id, []])
      }
    }
  },
)

const CONDITIONS = TEMPLATES.flatMap(({ key, definition }) => {
  const { triggers, parameters = [], gather } = Definition().parse(definition)
  return triggers.flatMap((one) => (one.kind === 'condition' ? [{ key, when: one.when, parameters, gather }] : []))
})

test.each(CONDITIONS)('$key waits until it is time, and in an empty life for ever', ({ when, parameters, gather }) => {
  const holds = (at: string, isFull: boolean) => {
    const found = gather.map(({ name }) => [name, isFull ? facts(name) : []] as const)
    const now = nowIn(new Date(at), 'Europe/Berlin')
    const scope = cel.scope({ params: defaultsOf(parameters), now, trigger: {}, facts: Object.fromEntries(found) })
    return cel.holds(when, scope)
  }
  const [night, evening] = ['2026-11-23T03:00:00Z', '2026-11-23T17:00:00Z']
  expect([holds(night, true), holds(evening, true), holds(evening, false)]).toEqual([
    { ok: true, value: false },
    { ok: true, value: true },
    { ok: true, value: false },
  ])
})
