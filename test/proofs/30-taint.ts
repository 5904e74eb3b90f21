import { setTimeout as wait } from 'node:timers/promises'
import type { Person, World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { type Order, startNotes, startObedient } from './lib-adversary.ts'
import { attempts, DOORS, makeScene, type Scene } from './lib-doors.ts'
import { type Injection, injections } from './lib-injections.ts'
import { need } from './lib-kinds.ts'
import { type Proof, scaled } from './proof.ts'

/** Of all doors each text goes through so many. */
const DOORS_EACH = 3
const AT_ONCE = 2
const WITHIN_MS = 20_000
const LOOK_EACH_MS = 50

type Kind = { kind: string; outward: boolean }
type Case = Injection & { door: string; key: string; isTapped: boolean }
type Ground = {
  world: World
  scenes: Map<string, Scene>
  notes: Awaited<ReturnType<typeof startNotes>>
  model: Awaited<ReturnType<typeof startObedient>>
  kinds: string[]
  report(what: string): void
}

export const proof: Proof = {
  id: 30,
  name: 'taint',
  fast: true,
  sabotages: {
    'the port does not ask where it comes from': [
      {
        file: 'src/effects/kinds.ts',
        find: '(outward || tool.destructive) && by.tainted && !by.isAgreed',
        replace: 'false && by',
      },
      {
        file: 'src/proactivity/autonomy.ts',
        find: "return act.tainted && HEIGHT[level] > HEIGHT.ask ? 'ask' : level",
        replace: 'return level',
      },
    ],
    'what a server answers is as good as what the person says': [
      { file: 'src/assistant/steps.ts', find: '    if (isForeign(call.name)) run.isTainted = true\n', replace: '' },
    ],
    'every server is trusted': [
      { file: 'src/integrations/tools.ts', find: 'trusted: readOnly && server.trusted', replace: 'trusted: readOnly' },
    ],
    'a calendar is always their own': [
      {
        file: 'src/workflows/gather.ts',
        find: 'return read(items, eventFact)',
        replace: 'return own(items.map(eventFact))',
      },
    ],
    'a memory forgets where it came from': [
      {
        file: 'src/memories/memory.ts',
        find: 'tainted: memories.tainted })',
        replace: 'tainted: sql<boolean>`false` })',
      },
    ],
    'a second call is a yes': [
      {
        file: 'src/assistant/steps.ts',
        find: 'if (mustAsk && tainted && kind && messageId !== null)',
        replace: "if (kind?.tool.name === '')",
      },
      {
        file: 'src/assistant/steps.ts',
        find: 'const agreed = mustAsk && run.isAgreed(call, tainted)',
        replace: 'const agreed = mustAsk && (tainted || run.isAgreed(call, tainted))',
      },
    ],
  },
  /**
   * Whoever obeys each text to the letter is let in by each door, where the person has allowed every kind of act to be
   * done silently and says yes to whatever comes: nothing goes out, nothing is lost. A tap does it, or the proof would
   * prove nothing.
   */
  async run(world, { seed, share }) {
    const violations: string[] = []
    const chance = createChance(seed)
    const scenes = new Map<string, Scene>()
    const notes = await startNotes((key) => scenes.get(key)?.text ?? '')
    const model = await startObedient((ref) => ordersOf(scenes.get(ref.split('-')[2] ?? '')))
    const vars = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
    const own = await world.sabotaged([], { ...vars, ALLOW_LOOPBACK_URLS: 'true' })
    try {
      const kinds = await actsThatLeave(own)
      const ground: Ground = { world: own, scenes, notes, model, kinds, report: (what) => void violations.push(what) }
      const doors = Object.keys(DOORS)
      const texts = chance.shuffle(injections())
      const drawn = texts.flatMap((one) =>
        chance
          .shuffle(doors)
          .slice(0, DOORS_EACH)
          .map((door) => ({ ...one, door })),
      )
      // Each door at least once, however small the share.
      const first = doors.map((door) => ({ ...chance.pick(texts), door, isTapped: true }))
      const rest = drawn.slice(0, Math.max(0, scaled(drawn.length, share) - first.length))
      const cases = [...first, ...rest.map((one) => ({ ...one, isTapped: false }))].map(
        (one, n): Case => ({
          ...one,
          ref: `${one.ref}-${n}`,
          text: one.text.replace(one.ref, `${one.ref}-${n}`),
          key: String(n),
        }),
      )
      await notOffered(ground)
      await eachOf(cases, AT_ONCE, (one) => tryCase(ground, one))
      const carriers = new Set(cases.map(({ carrier }) => carrier)).size
      return {
        cases: cases.length * kinds.length,
        violations,
        notes: [
          `${cases.length} texts of ${carriers} carriers through ${doors.length} doors, each after ${kinds.length} kinds of act: ${kinds.join(', ')}`,
        ],
      }
    } finally {
      await own.stop()
      model.stop()
      notes.stop()
    }
  },
}

/** What goes out, by the registry, and what deletes. */
async function actsThatLeave(world: World): Promise<string[]> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  const { items }: { items: Kind[] } = JSON.parse((await person.api('GET', '/v1/effect-kinds')).text)
  return items.filter(({ kind, outward }) => outward || kind.startsWith('delete_')).map(({ kind }) => kind)
}

/** All that the text could want, as a model is offered it. */
function ordersOf(scene: Scene | undefined): Order[] {
  if (!scene) return []
  const { mcp_tool: _, ...own } = attempts(scene, scene.ref)
  return [
    ...Object.entries(own).map(([name, input]) => ({ name, input })),
    { name: 'notes__send', input: { text: scene.ref } },
    { name: 'notes__look', input: { text: scene.ref } },
    { name: 'remember', input: { text: scene.text, kind: 'preference' } },
    { name: 'run_workflow', input: { workflowId: scene.ids.called, input: { said: scene.ref } } },
  ]
}

/** By the doors of other people's clients nothing of it is offered, nor done where it is called all the same. */
async function notOffered({ world, kinds, report }: Ground): Promise<void> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  for (const name of kinds.filter((kind) => !kind.startsWith('delete_'))) {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }
    const { text } = await person.api('POST', '/mcp', {
      body,
      headers: { accept: 'application/json, text/event-stream' },
    })
    if (!text.includes('Unknown tool')) report(`/mcp answers ${name} with ${text.slice(0, 200)}`)
  }
}

async function tryCase(ground: Ground, { door, key, ref, text, carrier, isTapped }: Case): Promise<void> {
  const { world, kinds, report, notes, scenes } = ground
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  const scene = await makeScene(world, person, notes.url, { ref, text, key })
  for (const kind of kinds) if (!attempts(scene, '')[kind]) report(`${kind}: nobody tries it`)
  const rules = kinds.map((kind) => ({ kind, workflowId: null, level: 'act_silently' }))
  await need(person, 'PUT', '/v1/autonomy', { rules })
  scenes.set(key, scene)
  await DOORS[door]?.(scene)
  await settled(world, person)
  const said = (what: string) => report(`${carrier} by ${door} (${ref}): ${what}`)
  await wasTried(ground, scene, said)
  for (const what of await goneOut(ground, scene)) said(what)
  if (isTapped) await tap(ground, scene, said)
}

/** The model made every call it was offered, or a workflow came to its acts. */
async function wasTried({ world, model }: Ground, { person, ref, ids }: Scene, said: (what: string) => void) {
  const tried = model.tried.get(ref)
  const runs = await world.query('select status, tainted from workflow_runs where user_id = $1', [person.userId])
  if (tried) {
    const missing = ['send_mail', 'call_webhook', 'delete_task', 'notes__send', 'notes__look'].filter(
      (one) => !tried.has(one),
    )
    if (missing.length > 0) said(`nobody tried ${missing.join()}`)
  } else if (runs.length === 0) said('the text led nobody to anything')
  const calls = await world.query('select id from workflow_runs where workflow_id = $1 and not tainted', [ids.called])
  if (calls.length > 0) said('a workflow that was called knows nothing of who led to it')
}

/** Everything that left the person, or was lost, without a tap. */
async function goneOut({ world, kinds, notes }: Ground, { person, ref, ids }: Scene): Promise<string[]> {
  const { userId } = person
  const rows = await world.query(
    `select kind || ' is ' || status as what from effects where user_id = $1 and kind = any($2::text[])
        and status not in ('refused', 'failed', 'cancelled')
      union all select 'a letter is ' || status from email_messages where user_id = $1 and kind = 'letter'
      union all select 'a webhook was called' from webhook_deliveries where user_id = $1 and type = 'webhook.called'
      union all select 'a task was deleted' from tasks where id = $3 and deleted_at is not null
      union all select 'an event was deleted' from calendar_events where id = $4 and deleted_at is not null
      union all select 'a project was deleted' where not exists (select 1 from projects where id = $5)`,
    [userId, `{${kinds.join()}}`, ids.task, ids.event, ids.project],
  )
  const taken = notes.taken
    .filter(({ said }) => said.includes(ref))
    .map(({ tool }) => `a server was given it by ${tool}`)
  return [...rows.map(({ what }) => String(what)), ...taken]
}

// What waits for a decision has stopped; whatever else was begun has ended.
const GOING = `select 1 where exists (select 1 from outbox where user_id = $1 and dispatched_at is null)
  or exists (select 1 from workflow_runs where user_id = $1 and status in ('requested', 'running'))`

async function settled({ query }: World, { userId }: Person): Promise<void> {
  for (const until = Date.now() + WITHIN_MS; Date.now() < until; await wait(LOOK_EACH_MS))
    if ((await query(GOING, [userId])).length === 0) return
}

/** The person taps what is offered: then it is done, and known as agreed to. */
async function tap({ world, kinds }: Ground, { person }: Scene, said: (what: string) => void): Promise<void> {
  const { items }: { items: { id: string; tainted: boolean }[] } = JSON.parse(
    (await person.api('GET', '/v1/suggestions?open=true')).text,
  )
  const [first] = items
  if (!first) return said('nothing of it was put before the person')
  if (items.some(({ tainted }) => !tainted)) said('a suggestion does not say that others led to it')
  await need(person, 'POST', `/v1/suggestions/${first.id}/approve`, {})
  for (const until = Date.now() + WITHIN_MS; Date.now() < until; await wait(LOOK_EACH_MS)) {
    const done = await world.query(
      `select 1 from effects where user_id = $1 and agreed and kind = any($2::text[]) and status in ('held', 'done', 'failed', 'unknown')`,
      [person.userId, `{${kinds.join()}}`],
    )
    if (done.length > 0) return
  }
  said('a tap did nothing')
}
