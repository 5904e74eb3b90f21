import { setTimeout as wait } from 'node:timers/promises'
import type { Person, World } from '../world.ts'
import { need } from './lib-kinds.ts'
import { type Proof, scaled } from './proof.ts'

const ENDS_WITHIN_MS = 30_000
const PEOPLE = 10
// What a person has that a simulation might have changed.
const TABLES = [
  'tasks',
  'memories',
  'effects',
  'suggestions',
  'workflow_runs',
  'run_steps',
  'notifications',
  'outbox',
  'email_messages',
]
const KINDS = ['create_task', 'update_task', 'complete_task', 'remember']

const step = (id: string, kind: string, input: object, more: object = {}) => ({ id, do: kind, input, ...more })
const late = { name: 'late', source: 'tasks', query: { due: 'overdue', limit: 10 } }
const all = { name: 'all', source: 'tasks', query: { status: 'open', limit: 20 } }

/** Workflows of every shape, as people would write them. */
const GRAPHS: Record<string, object> = {
  'a row': {
    actions: [
      step('one', 'create_task', { title: 'A' }),
      step('two', 'create_task', { title: 'After {{ steps.one.title }}' }),
    ],
  },
  'a triage': {
    gather: [late],
    analysis: {
      kind: 'rules',
      findings: [
        { when: 'size(facts.late) > 0', title: '{{ size(facts.late) }} late', facts: 'facts.late', confidence: 0.9 },
      ],
    },
    suggestion: { kind: 'triage', title: 'Sort {{ size(facts.late) }}', body: 'Now?', expiresMinutes: 60 },
    actions: [
      {
        id: 'each',
        forEach: 'facts.late',
        as: 'task',
        max: 10,
        steps: [step('raise', 'update_task', { id: '{{ task.id }}', priority: 'high' })],
      },
      step('note', 'remember', { text: 'Sorted {{ steps.each.count }} tasks on {{ now.date }}' }),
    ],
  },
  'a branch': {
    gather: [all],
    actions: [
      {
        id: 'way',
        // biome-ignore lint/suspicious/noThenProperty: the name of a definition's list
        branch: [{ when: 'size(facts.all) > 2', then: [step('many', 'create_task', { title: 'Plan the day' })] }],
        else: [step('few', 'create_task', { title: 'Rest' })],
      },
      step('done', 'complete_task', { id: '{{ facts.all[0].id }}' }, { when: 'size(facts.all) > 0' }),
    ],
  },
  'a question': {
    actions: [
      { id: 'ask', ask: { question: 'Which?', choices: ['left', 'right'] } },
      step('go', 'create_task', { title: 'Go {{ steps.ask.answer }}' }),
      step('not', 'create_task', { title: 'Stay' }, { when: 'steps.ask.answer == "right"' }),
    ],
  },
  'nothing to do': {
    gather: [late],
    actions: [step('one', 'create_task', { title: 'A' }, { when: 'size(facts.late) > 100' })],
  },
}

type Shown = { step: string; kind: string; says: string }
const shownOf = (list: Shown[]) => JSON.stringify(list.map(({ step: at, kind, says }) => [at, kind, says]))

export const proof: Proof = {
  id: 28,
  name: 'simulation',
  fast: false,
  sabotages: {
    'what it would do is done': [
      {
        file: 'src/workflows/dry.ts',
        find: "import { type Recorded, recordingEffects } from '#effects'",
        replace: "import { realEffects, type Recorded, recordingEffects } from '#effects'",
      },
      {
        file: 'src/workflows/dry.ts',
        find: 'const outcome = await recorder.perform(effect)',
        replace:
          'await realEffects(ctx).perform({ ...effect, isAgreed: true })\n        const outcome = await recorder.perform(effect)',
      },
    ],
    'only the first act is told of': [
      {
        file: 'src/workflows/dry.ts',
        find: 'if (recorded) seen.acts.push',
        replace: 'if (recorded && seen.acts.length === 0) seen.acts.push',
      },
    ],
  },
  async run(world, { share }) {
    const violations: string[] = []
    const people = await world.people(scaled(PEOPLE, share))
    let [cases, acts] = [0, 0]
    for (const [n, person] of people.entries()) {
      await need(person, 'PUT', '/v1/autonomy', {
        rules: KINDS.map((kind) => ({ kind, workflowId: null, level: 'act_silently' })),
      })
      for (let at = 0; at < n % 4; at++)
        await need(person, 'POST', '/v1/tasks', { title: `Late ${at}`, due: { date: '2026-01-01' } })
      for (const [name, graph] of Object.entries(GRAPHS)) {
        const problem = await tryGraph(world, person, name, graph)
        cases++
        acts += problem.acts
        violations.push(...problem.violations)
      }
    }
    if (acts === 0) violations.push('nothing was done at all')
    return {
      cases,
      violations,
      notes: [`${acts} acts announced and done; each simulation looked at in ${TABLES.length} tables`],
    }
  },
}

async function tryGraph(world: World, person: Person, name: string, graph: object) {
  const violations: string[] = []
  const definition = {
    triggers: [{ kind: 'manual' }],
    priority: 'routine',
    gather: [],
    analysis: null,
    suggestion: null,
    ...graph,
  }
  const { id } = await need(person, 'POST', '/v1/workflows', { name, definition })
  const before = await holdings(world, person)
  const simulated = JSON.parse((await person.api('POST', `/v1/workflows/${id}/simulate`, { body: {} })).text)
  const after = await holdings(world, person)
  for (const [table, count] of Object.entries(before))
    if (after[table] !== count) violations.push(`${name}: simulating it changed ${table}`)
  const { runId } = JSON.parse((await person.api('POST', `/v1/workflows/${id}/run`, { body: {} })).text)
  const { run } = await ended(person, runId)
  if (run.status !== simulated.status || run.outcome !== simulated.outcome)
    violations.push(`${name}: announced as ${simulated.outcome}, and ended as ${run.outcome}`)
  const [announced, happened] = [shownOf(simulated.effects), shownOf(run.evidence)]
  if (announced !== happened) violations.push(`${name}: announced ${announced}, did ${happened}`)
  return { violations, acts: run.evidence.length }
}

async function holdings(world: World, person: Person): Promise<Record<string, string>> {
  const held: Record<string, string> = {}
  for (const table of TABLES) {
    // What is on its way is still marked as sent.
    const shown = table === 'outbox' ? 't.id' : 't::text'
    const [row] = await world.query(
      `select count(*) || ':' || coalesce(md5(string_agg(${shown}, '' order by t.id)), '') as held from ${table} t where user_id = $1`,
      [person.userId],
    )
    held[table] = String(row?.held)
  }
  return held
}

async function ended(person: Person, runId: string) {
  const until = Date.now() + ENDS_WITHIN_MS
  for (;;) {
    const detail = JSON.parse((await person.api('GET', `/v1/runs/${runId}`)).text)
    if (detail.question)
      await person.api('POST', `/v1/runs/${runId}/answer`, { body: { step: detail.question.step, answer: 'left' } })
    if (detail.run.endedAt !== null) return detail
    if (Date.now() > until) throw new Error(`the run does not end: ${JSON.stringify(detail.run)}`)
    await wait(50)
  }
}
