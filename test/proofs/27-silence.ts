import type { Sabotage, World } from '../world.ts'
import { createChance } from './chance.ts'
import { startObedient } from './lib-adversary.ts'
import { EVERYTHING_THERE, live, paramsOf } from './lib-lives.ts'
import { type Office, openOffice } from './lib-office.ts'
import { type Proof, scaled } from './proof.ts'
import { withSource } from './sabotage.ts'

const DAYS = 30
const DAY_MS = 86_400_000

// What asks a model about all that a person has to do and remembers, several times a day and whenever a task is told of.
const ANALYST = {
  triggers: [
    { kind: 'every', minutes: 360 },
    { kind: 'event', type: 'task.*' },
  ],
  priority: 'routine',
  gather: [
    { name: 'tasks', source: 'tasks', query: { limit: 50 } },
    { name: 'memories', source: 'memories', query: { text: 'plans', limit: 20 } },
  ],
  analysis: { kind: 'model', ask: 'What deserves attention?', maxFindings: 3 },
  suggestion: { kind: 'insight', title: 'Look at this', body: 'Now?', expiresMinutes: 600 },
  actions: [],
}

const LOOKED_INTO: Sabotage[] = [
  {
    file: 'src/proactivity/gate.ts',
    find: "  if (lookedAt?.factsHash === factsHash) return 'nothing_new'\n",
    replace: '',
  },
  { file: 'src/proactivity/gate.ts', find: 'set: opened, setWhere: isNew', replace: 'set: opened' },
]
const ALWAYS_ALIKE: Sabotage = {
  file: 'src/proactivity/judge.ts',
  find: '  if (dismissed.length === 0) return false\n',
  replace: '',
}
const DEAF: Sabotage = {
  file: 'src/proactivity/gate.ts',
  find: "  if (settings.muted.includes(kind)) return 'muted'\n",
  replace: "  if (kind !== '') return 'muted'\n",
}

export const proof: Proof = {
  id: 27,
  name: 'silence',
  fast: true,
  sabotages: {
    'what was looked into is looked into again': LOOKED_INTO,
    'a model compares where nothing was dismissed': [ALWAYS_ALIKE],
    'nothing is ever looked into': [DEAF],
  },
  /**
   * Somebody idle with every template switched on, and a workflow that asks a model, and somebody whose tasks are put into
   * another order again and again: month long, no model is asked for either. Whoever has a new task is looked into once
   * more, or the proof would prove nothing.
   */
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const model = await startObedient(() => [])
    try {
      return await withSource([...world.changes, ...EVERYTHING_THERE], async (dir) => {
        const office = await openOffice(world, dir, model.url)
        return await month(world, office, { chance, days: Math.max(2, scaled(DAYS, share)), asked: model.asked })
      })
    } finally {
      model.stop()
    }
  },
}

type Given = { chance: ReturnType<typeof createChance>; days: number; asked(): number }

async function month(world: World, office: Office, { chance, days, asked }: Given) {
  const violations: string[] = []
  let used = 0
  const [idle, busy] = await world.people(2)
  if (!idle || !busy) throw new Error('no people')
  for (const person of [idle, busy]) {
    await live(world, person, chance)
    // So that nothing but what is new says whether a model is asked.
    await world.query(
      'insert into suggestion_settings (user_id, max_open, max_a_day, cooldown_minutes) values ($1, 20, 100, 0)',
      [person.userId],
    )
    const templates = await office.templates(person.userId)
    used = templates.length
    for (const template of templates) await office.useTemplate(person.userId, template.key, paramsOf(template, chance))
    await office.createWorkflow(person.userId, ANALYST)
  }
  await office.happens(idle.userId, 'A new task')
  await office.happens(busy.userId, 'A new task')
  const began = asked()
  if (began !== 2) violations.push(`two new tasks were looked into ${began} times`)
  const start = office.clock.ms
  let orders = 0
  while (office.clock.ms < start + days * DAY_MS) {
    await office.next([idle.userId, busy.userId])
    await office.reorder(busy.userId, ++orders)
    if (asked() > began) break
  }
  if (asked() > began)
    violations.push(`a model was asked after ${Math.round((office.clock.ms - start) / 3_600_000)} hours`)
  await office.happens(idle.userId, 'Another new task')
  if (asked() !== began + 1) violations.push('something new was not looked into')
  const [kept] = await world.query(
    'select coalesce(sum(closed), 0)::int as n from suggestion_gates where user_id = any($1::text[])',
    [`{${idle.userId},${busy.userId}}`],
  )
  if (Number(kept?.n) === 0) violations.push('no silence was kept with its reason')
  const { runs, ends } = office.counts
  if (ends.has('failed')) violations.push(`${ends.get('failed')} runs failed`)
  const said = [...ends].map(([end, count]) => `${count} ${end}`).join(', ')
  return {
    cases: runs,
    violations,
    notes: [
      `${used} templates, ${days} days, ${orders} times put into another order; ${said}; ${kept?.n} silences kept`,
    ],
  }
}
