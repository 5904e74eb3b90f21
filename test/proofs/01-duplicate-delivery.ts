import { setTimeout as wait } from 'node:timers/promises'
import { type PushServices, startPushServices } from '../../local/push-services.ts'
import { OBJECTS } from '../matrix-objects.ts'
import { mailedCode } from '../matrix-valid.ts'
import { startReceiver } from '../webhook-receiver.ts'
import { makeId, PASSWORD, type Person, type World } from '../world.ts'
import { eachOf } from './all.ts'
import { type Chance, createChance } from './chance.ts'
import { auditPerson, door, type Report, TOPICS, type Told, toldOf } from './lib-effects.ts'
import { erasePerson, signedInAgain } from './lib-erasure.ts'
import { tryOutward } from './lib-fates.ts'
import { auditJobs, deliverJobs, jobKinds, jobsOf } from './lib-jobs.ts'
import { clock, declaredKinds, envelope, live, need, readAll, secondSession, suggest } from './lib-kinds.ts'
import { type Listener, openListener } from './lib-listener.ts'
import { reclaim } from './lib-mails.ts'
import { logPosition, timersOf } from './lib-objects.ts'
import {
  NAMELESS_TIMERS,
  NO_INBOX,
  NO_KICK,
  NO_KNOWN_IDS,
  OUTLIVING,
  UNCLAIMED_JOBS,
  UNCLAIMED_MAIL,
  UNCLAIMED_PUSH,
} from './lib-twice.ts'
import { type Proof, scaled } from './proof.ts'

const PEOPLE = 24
const COPIES = 5
const MOST_IN_A_BATCH = 12
// As Queues does it: batches of one queue are handled by several consumers at once.
const CONSUMERS = 4
const REMINDERS_NOW = 3
const PUSHED_WITHIN_MS = 15_000
const LOOK_AGAIN_MS = 50
const SPLIT = { copies: COPIES, mostInBatch: MOST_IN_A_BATCH, atOnce: CONSUMERS }

type Scene = {
  world: World
  pushes: PushServices
  chance: Chance
  report: Report
  kinds: Set<string>
  /** Of jobs. */
  works: Set<string>
  delivered: number
}

export const proof: Proof = {
  id: 1,
  name: 'duplicate delivery',
  fast: true,
  // Two things stand between a second delivery and a second effect: the inbox, and the effect's own key (the event's id
  // in the log, a timer's name). Without the inbox alone the keys still hold: nothing is to be seen. Without the keys
  // alone only copies that race are seen, since the inbox stops the others.
  sabotages: {
    'neither the inbox nor the log knows what was done': [NO_INBOX, ...NO_KNOWN_IDS],
    'the log does not know ids': NO_KNOWN_IDS,
    'a timer has another name each time': [NAMELESS_TIMERS],
    'a job that ran is run again': UNCLAIMED_JOBS,
    'mail is sent whatever its row says': [...UNCLAIMED_JOBS, ...UNCLAIMED_MAIL],
    'a push is sent whatever its row says': UNCLAIMED_PUSH,
    'what was told of somebody outlives them': [OUTLIVING],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const quiet = await world.sabotaged([NO_KICK])
    const receiver = await startReceiver()
    const pushes = await startPushServices()
    try {
      const report: Report = (violation) => void violations.push(violation)
      const scene: Scene = {
        world,
        pushes,
        chance: createChance(seed),
        report,
        kinds: new Set(),
        works: new Set(),
        delivered: 0,
      }
      const people = await eachOf(Array.from({ length: scaled(PEOPLE, share) }), CONSUMERS, async () => {
        // Registered as people are, which sends them mail, and when they are needed: a sign-in is fresh for five minutes.
        const person = await quiet.person()
        const { text } = await person.api('POST', '/v1/webhooks', { body: { url: receiver.url } })
        receiver.knows(JSON.parse(text).secret)
        await tryLife(scene, person)
        return person
      })
      await eachOf(people, 1, async (person) => await tryErasure(scene, await signedInAgain(world, person)))
      compareKinds(scene)
      const posts = Map.groupBy(receiver.received, ({ id }) => id)
      for (const [id, { length }] of posts) if (length > 1) report(`the webhook ${id} was posted ${length} times`)
      if (posts.size === 0) report('no webhook was posted')
      const shown = Map.groupBy(pushes.pushed, ({ to, text }) => `${to} ${text}`)
      for (const [push, { length }] of shown) if (length > 1) report(`${push} was pushed ${length} times`)
      for (const { status, reason } of pushes.refused) report(`a push was refused by ${status}: ${reason}`)
      const notes = [
        `${scene.kinds.size} kinds of event, ${scene.works.size} of job, each message ${COPIES} times, in batches of 1 to ${MOST_IN_A_BATCH}`,
      ]
      return { cases: scene.delivered, violations, notes }
    } finally {
      receiver.close()
      await pushes.stop()
      await quiet.stop()
    }
  },
}

/** Everything that can happen to a person happens, and is delivered again and again. */
async function tryLife(scene: Scene, person: Person): Promise<void> {
  const { world } = scene
  await need(person, 'POST', '/v1/auth/password', { currentPassword: PASSWORD, newPassword: `${PASSWORD} or two` })
  const other = await secondSession(world, person)
  const witness = await openListener(door(world.url, person.accessToken), { topics: TOPICS })
  const bystander = await openListener(door(world.url, other.token), { topics: TOPICS })
  try {
    const { endpoint, keys } = scene.pushes.subscribe(world.vars['VAPID_PUBLIC_KEY'])
    await need(person, 'POST', '/v1/devices', { kind: 'web_push', name: 'Firefox', endpoint, keys })
    await need(person, 'PATCH', '/v1/notifications/settings', { pushAfterSeconds: 0 })
    await live(person)
    await suggest(world, person)
    const effect = await need(person, 'POST', '/v1/effects', { kind: 'create_task', input: { title: 'rake' } })
    await need(person, 'POST', '/v1/effects/undo', { id: effect.id })
    const input = { workflowId: makeId('wfl') }
    await need(person, 'POST', '/v1/effects', { kind: 'run_workflow', input })
    await tryKeys(person)
    await tryRuns(world, person)
    await tryCodes(scene, person)
    await answerWhatWaited(world, person)
    await reclaim(world, person)
    await tryOutward(world, person)
    await deliver(scene, await toldOf(world, person.userId))
    const rung = () => witness.heard.filter(({ event }) => event === 'notification.created')
    await witness.until(() => rung().length >= REMINDERS_NOW)
    await hearPushes(scene, person, endpoint)
    await readAll(
      world,
      person,
      rung().map(({ data }) => idOf(data)),
    )
    await need(person, 'DELETE', `/v1/auth/sessions/${other.id}`)
    await deliver(scene, await toldOf(world, person.userId))
    await deliverWork(scene, person)
    await hearsAll(scene, person, witness)
    await auditPerson(world, person, witness, scene.report)
    await auditJobs(world, person.userId, scene.report)
    await bystander.until(() => bystander.closes.length > 0)
    const closes = bystander.closes.join()
    if (closes !== '4001') scene.report(`the socket of an ended session was closed with "${closes}"`)
    for (const problem of witness.problems) scene.report(problem)
  } finally {
    witness.stop()
    bystander.stop()
  }
}

// A push is due at once, and sent within the second; the next one finds the first already sent.
async function hearPushes(scene: Scene, person: Person, endpoint: string): Promise<void> {
  const heard = () => scene.pushes.pushed.filter(({ to }) => to === endpoint).length
  const hears = async (count: number) => {
    const deadline = performance.now() + PUSHED_WITHIN_MS
    while (heard() < count && performance.now() < deadline) {
      await deliverWork(scene, person)
      await wait(LOOK_AGAIN_MS)
    }
    if (heard() < count) scene.report(`of ${count} reminders ${heard()} were pushed`)
  }
  await hears(REMINDERS_NOW)
  const { id } = await need(person, 'POST', '/v1/tasks', { title: 'lock the gate', remindAt: clock(-1) })
  const told = await toldOf(scene.world, person.userId)
  await deliver(
    scene,
    told.filter((event) => event.id.startsWith(id)),
  )
  await hears(REMINDERS_NOW + 1)
}

// Cancelled before they are heard of, so that nothing more happens by itself; the second is the first's retry.
async function tryRuns(world: World, person: Person): Promise<void> {
  const id = await OBJECTS['/v1/workflows']?.make(world, person, 'rake the paths')
  const first = JSON.parse((await person.api('POST', `/v1/workflows/${id}/run`, { body: {} })).text).runId
  await need(person, 'POST', `/v1/runs/${first}/cancel`)
  const again = await need(person, 'POST', `/v1/runs/${first}/retry`)
  await need(person, 'POST', `/v1/runs/${again.id}/cancel`)
}

async function tryKeys(person: Person): Promise<void> {
  const { id } = await need(person, 'POST', '/v1/api-keys', { name: 'script', scopes: ['tasks:read'] })
  await need(person, 'POST', `/v1/api-keys/${id}/rotate`, {})
  await need(person, 'DELETE', `/v1/api-keys/${id}`)
  const publicKey = { kty: 'OKP', crv: 'Ed25519', x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs' }
  const signing = await need(person, 'POST', '/v1/signing-keys', { name: 'script', publicKey })
  await need(person, 'DELETE', `/v1/signing-keys/${signing.id}`)
}

// What is asked for by nobody in particular is told of the code itself.
async function tryCodes(scene: Scene, person: Person): Promise<void> {
  const { world } = scene
  await need(person, 'POST', '/v1/auth/password-reset', { email: person.email })
  const asked = await world.query(
    'select o.id, o.type, o.room from outbox o join auth_codes c on c.id = o.key where c.email = $1',
    [person.email],
  )
  await deliver(
    scene,
    asked.map(({ id, type }) => ({ id: String(id), type: String(type), room: null })),
  )
  const [row] = await world.query(
    "select count(*)::int as n from email_messages where user_id = $1 and kind = 'password_reset'",
    [person.userId],
  )
  if (row?.n !== 1) scene.report(`a reset that was asked for once was mailed ${row?.n} times`)
  const token = await mailedCode(world, 'email', { ...person, email: `moved-${person.email}` })
  await need(person, 'POST', '/v1/auth/email/confirm', { token })
}

// What may wait does so where a provider has batches, and none has here: what the cron tells is written as it writes it.
async function answerWhatWaited(world: World, { userId }: Person): Promise<void> {
  const id = makeId('aic')
  await world.query(
    `insert into outbox (id, type, user_id, room, key, version, data)
      values ($1 || '.1.ai.answered', 'ai.answered', $2, null, $1, 1, $3)`,
    [id, userId, JSON.stringify({ id, kind: 'analyse', feature: 'workflows', state: 'answered', errorCode: null })],
  )
}

const idOf = (data: unknown): string => (typeof data === 'object' && data && 'id' in data ? String(data.id) : '')

// What was erased stays erased, though all that was ever told of the person comes once more, and something for the
// first time.
async function tryErasure(scene: Scene, person: Person): Promise<void> {
  const { world } = scene
  await need(person, 'POST', '/v1/tasks', { title: 'too late', remindAt: clock(3 * 24 * 60) })
  const [past, work] = [await toldOf(world, person.userId), await jobsOf(world, person.userId)]
  if (!(await erasePerson(world, person))) scene.report('a person was not erased')
  const left = await toldOf(world, person.userId)
  if (left.length > 0) scene.report(`${left.length} events outlived a person who was erased`)
  const undone = await jobsOf(world, person.userId)
  if (undone.length > 0) scene.report(`${undone.length} jobs outlived a person who was erased`)
  const erased = await logPosition(world, person.userId)
  const mails = world.mailbox.messages().length
  await deliver(scene, past)
  await deliverJobs(world, work, { chance: scene.chance, ...SPLIT })
  const more = world.mailbox.messages().length - mails
  if (more > 0) scene.report(`${more} mails were sent after a person was erased`)
  const after = await logPosition(world, person.userId)
  if (after.epoch !== erased.epoch) scene.report('a person was erased more than once')
  if (after.offset > 0) scene.report(`${after.offset} events came back to the log of a person who was erased`)
  const timers = await timersOf(world, person.userId)
  if (timers.length > 0) scene.report(`${timers.length} timers of a person who was erased are armed again`)
}

/** Each message five times, shuffled, in batches of any size, some of them at once. */
async function deliver(scene: Scene, told: Told[]): Promise<void> {
  const { world, chance } = scene
  for (const { type } of told) scene.kinds.add(type)
  const messages = chance.shuffle(told.flatMap(({ id }) => Array.from({ length: COPIES }, () => envelope(id))))
  const batches: unknown[][] = []
  for (let at = 0; at < messages.length; ) {
    const size = 1 + chance.int(MOST_IN_A_BATCH)
    batches.push(messages.slice(at, at + size))
    at += size
  }
  const results = await eachOf(batches, CONSUMERS, (batch) => world.queue(batch))
  // Of two copies at once one may be asked to come again, which the queue sees to.
  const again = batches.filter((_, n) => (results[n]?.retried ?? 0) > 0)
  const last = await eachOf(again, 1, (batch) => world.queue(batch))
  const retried = last.reduce((sum, result) => sum + result.retried, 0)
  if (retried > 0) scene.report(`${retried} of ${messages.length} deliveries failed`)
  scene.delivered += messages.length
}

/** The same of the messages that ask for jobs. */
async function deliverWork(scene: Scene, { userId }: Person): Promise<void> {
  const work = await jobsOf(scene.world, userId)
  for (const { kind } of work) scene.works.add(kind)
  scene.delivered += await deliverJobs(scene.world, work, { chance: scene.chance, ...SPLIT })
}

// One more, after everything: what comes before it is all that came.
async function hearsAll(scene: Scene, person: Person, witness: Listener): Promise<void> {
  const { id } = await need(person, 'POST', '/v1/memories', { text: 'the last word' })
  const last = `${id}.1.memory.created`
  await scene.world.queue([envelope(last)])
  const heard = await witness.until(() => witness.heard.some((event) => event.id === last))
  if (!heard) scene.report('a socket did not hear the last word')
}

// A kind that is declared and does not happen here would be delivered twice by nobody but production.
function compareKinds({ kinds, works, report }: Scene): void {
  for (const kind of jobKinds()) if (!works.has(kind)) report(`no job ${kind} was delivered: make one happen here`)
  const declared = declaredKinds()
  for (const kind of declared) if (!kinds.has(kind)) report(`no ${kind} was delivered: make one happen here`)
  for (const kind of kinds)
    if (!declared.includes(kind)) report(`${kind} is told, and the source declares no such kind`)
}
