import { setTimeout as wait } from 'node:timers/promises'
import { createAuditor, differences } from '../matrix-audit.ts'
import { startReceiver } from '../webhook-receiver.ts'
import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { startNotes } from './lib-adversary.ts'
import { need } from './lib-kinds.ts'
import { EVERYTHING_THERE, live, paramsOf, startOf, templatesOf } from './lib-lives.ts'
import { type Proof, scaled } from './proof.ts'

// What is held goes out after twenty seconds.
const ENDS_WITHIN_MS = 60_000
const LOOK_EACH_MS = 100
/** Of each template and each graph. */
const LIVES = 5
const OUTWARD = 3
const AT_ONCE = 3
const KINDS = [
  'create_task',
  'update_task',
  'complete_task',
  'create_event',
  'remember',
  'send_mail',
  'call_webhook',
  'mcp_tool',
]

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
  'a question as an act': {
    actions: [
      step('ask', 'ask_question', { question: 'Which of both?', choices: ['left', 'right'] }),
      step('go', 'create_task', { title: 'Go {{ steps.ask.answer }}' }),
    ],
  },
  'nothing to do': {
    gather: [late],
    actions: [step('one', 'create_task', { title: 'A' }, { when: 'size(facts.late) > 100' })],
  },
}

type Shown = { step: string; kind: string; says: string }
const shownOf = (list: Shown[]) => JSON.stringify(list.map(({ step: at, kind, says }) => [at, kind, says]))
type Ended = { status: string; outcome: string | null; reason: string | null; evidence: Shown[] }
/** Everything that came to somebody else. */
type Outside = { count(): number }
type Ground = {
  world: World
  chance: Chance
  auditor: Awaited<ReturnType<typeof createAuditor>>
  outside: Outside
  report(what: string): void
  acts: number
  ends: Map<string, number>
}

export const proof: Proof = {
  id: 28,
  name: 'simulation',
  fast: true,
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
  async run(given, { seed, share }) {
    const violations: string[] = []
    const receiver = await startReceiver()
    const notes = await startNotes(() => '')
    const world = await given.sabotaged(EVERYTHING_THERE)
    // The mailbox keeps the newest 200.
    const letters = new Set<string>()
    const lettersSeen = () => {
      for (const { id, kind } of world.mailbox.messages()) if (kind === 'letter') letters.add(id)
      return letters.size
    }
    const outside = { count: () => callsOf(receiver) + notes.taken.length + lettersSeen() }
    const ground: Ground = {
      ...{ world, outside, chance: createChance(seed), auditor: await createAuditor(world) },
      ...{ report: (what) => void violations.push(what), acts: 0, ends: new Map() },
    }
    try {
      const [asker] = await world.people(1)
      if (!asker) throw new Error('no person')
      const templates = await templatesOf(asker)
      const lives = Array.from({ length: scaled(LIVES, share) })
      await tryOutward(ground, scaled(OUTWARD, share), { hooks: receiver, notes })
      const tries = [
        ...templates.map((template) => async (person: Person) => {
          const params = paramsOf(template, ground.chance)
          // What comes true by the clock is not to begin by itself: it would be said twice. By hand it runs all the same.
          const enabled = template.category === 'mail' && template.parameters.every(({ type }) => type !== 'time')
          const made = await need(person, 'POST', '/v1/workflows/templates', {
            template: template.key,
            params,
            enabled,
          })
          await compare(ground, person, made.id, `${template.key} ${JSON.stringify(params)}`)
        }),
        ...Object.entries(GRAPHS).map(([name, graph]) => async (person: Person) => {
          await compare(ground, person, await make(person, name, graph), name)
        }),
      ]
      const all = lives.flatMap(() => tries)
      await eachOf(all, AT_ONCE, async (attempt) => {
        const person = await begin(ground)
        await live(world, person, ground.chance)
        await attempt(person)
      })
      if (ground.acts === 0) violations.push('nothing was done at all')
      violations.push(...world.contract.drift)
      const ends = [...ground.ends].map(([end, count]) => `${count} ${end}`).join(', ')
      return {
        cases: all.length + scaled(OUTWARD, share),
        violations,
        notes: [
          `${templates.length} templates; ${ends}; ${ground.acts} acts, ${ground.auditor.tables.length} tables looked at`,
        ],
      }
    } finally {
      receiver.close()
      notes.stop()
      await world.stop()
    }
  },
}

/** Somebody new, who lets some things be done and is asked about the rest. */
async function begin({ world, chance }: Ground): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  const rules = KINDS.filter(() => chance.int(2) === 0).map((kind) => ({
    kind,
    workflowId: null,
    level: 'act_silently',
  }))
  await need(person, 'PUT', '/v1/autonomy', { rules })
  return person
}

async function make(person: Person, name: string, graph: object): Promise<string> {
  const bare = { triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null }
  return (await need(person, 'POST', '/v1/workflows', { name, definition: { ...bare, ...graph } })).id
}

// Of all that happens the endpoint is told too.
const callsOf = ({ received }: { received: { body: string }[] }) =>
  received.filter(({ body }) => body.includes('webhook.called')).length

type Fakes = { hooks: Awaited<ReturnType<typeof startReceiver>>; notes: Awaited<ReturnType<typeof startNotes>> }

/** What goes out comes to those it is sent to once it is run, and not before. */
async function tryOutward(ground: Ground, count: number, { hooks, notes }: Fakes): Promise<void> {
  const { world, outside, report } = ground
  const ready = await eachOf(Array.from({ length: count }), 1, async (_, n) => {
    const person = await begin(ground)
    await world.query('update users set email_verified_at = now() where id = $1', [person.userId])
    const { id: server } = await need(person, 'POST', '/v1/mcp/servers', {
      name: 'notes',
      url: notes.url,
      auth: { type: 'none' },
    })
    await need(person, 'POST', `/v1/mcp/servers/${server}/check`)
    const hook = JSON.parse((await person.api('POST', '/v1/webhooks', { body: { url: hooks.url } })).text)
    hooks.knows(hook.secret)
    const id = await make(person, 'all that goes out', {
      actions: [
        step('call', 'call_webhook', { webhookId: hook.id, data: { n } }),
        step('tool', 'mcp_tool', { serverId: server, tool: 'send', arguments: { text: `note ${n}` } }),
        step('mail', 'send_mail', { to: [`ada${n}@example.com`], subject: 'Friday', text: 'At nine?' }),
      ],
    })
    return { person, id }
  })
  const before = outside.count()
  for (const { person, id } of ready) await need(person, 'POST', `/v1/workflows/${id}/simulate`, {})
  if (outside.count() !== before) report('a simulation reached somebody else')
  await eachOf(ready, count, ({ person, id }) => compare(ground, person, id, 'all that goes out'))
  const came = () => outside.count() - before
  for (const until = Date.now() + ENDS_WITHIN_MS; came() < 3 * count && Date.now() < until; ) await wait(LOOK_EACH_MS)
  if (came() !== 3 * count) report(`${came()} came to others of ${3 * count} that were announced`)
}

/** Announced, then done: by all that is kept of a person the first changed nothing, and the second did what it said. */
async function compare(ground: Ground, person: Person, id: string, name: string): Promise<void> {
  const { auditor, report, ends } = ground
  const { trigger, begin: start } = await startOf(ground.world, person, id)
  const before = await auditor.holdings(person.userId)
  const answer = await person.api('POST', `/v1/workflows/${id}/simulate`, {
    body: { trigger },
  })
  if (answer.status !== 200) return report(`${name}: simulating it answered ${answer.status}: ${answer.text}`)
  const simulated: Ended & { effects: Shown[] } = JSON.parse(answer.text)
  const changed = differences(before, await auditor.holdings(person.userId))
  if (changed.length > 0) report(`${name}: simulating it changed ${changed.join()}`)
  const runId = await start()
  const run = await ended(person, runId)
  ends.set(String(run.outcome), (ends.get(String(run.outcome)) ?? 0) + 1)
  ground.acts += run.evidence.length
  for (const field of ['status', 'outcome', 'reason'] as const)
    if (run[field] !== simulated[field]) report(`${name}: announced as ${simulated[field]}, and ended as ${run[field]}`)
  const [announced, happened] = [shownOf(simulated.evidence), shownOf(run.evidence)]
  if (announced !== happened) report(`${name}: announced ${announced}, did ${happened}`)
  const acts = run.evidence.filter(({ kind }) => kind !== 'suggestion' && kind !== 'ask_question')
  if (shownOf(simulated.effects) !== shownOf(acts))
    report(`${name}: showed ${shownOf(simulated.effects)} as its effects, did ${shownOf(acts)}`)
}

/** Says yes to what it asks, as the simulation took it. */
async function ended(person: Person, runId: string): Promise<Ended> {
  for (const until = Date.now() + ENDS_WITHIN_MS; ; await wait(LOOK_EACH_MS)) {
    const { run, question } = JSON.parse((await person.api('GET', `/v1/runs/${runId}`)).text)
    if (run.endedAt !== null) return run
    if (question) {
      const answer = question.choices?.[0] ?? 'yes'
      await person.api('POST', `/v1/runs/${runId}/answer`, { body: { step: question.step, answer } })
    } else if (run.status === 'proposed' && run.suggestionId)
      await person.api('POST', `/v1/suggestions/${run.suggestionId}/approve`, { body: {} })
    if (Date.now() > until) throw new Error(`the run does not end: ${JSON.stringify(run)}`)
  }
}
