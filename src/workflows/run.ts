import { agreeTo } from './agree.ts'
import type { Analysed, Left } from './analyse.ts'
import { TAKING_BACK, takeBack } from './compensate.ts'
import { type Course, Failed, keptOf, mark, Over, once, Stopped } from './course.ts'
import type { Gathered } from './gather.ts'
import { realHands } from './hands.ts'
import { planOf } from './plan.ts'
import type { Begun, Notice, StepPort, World } from './ports.ts'
import { ExpressionError, openReader, type Values } from './reader.ts'
import type { RunEnd, RunError } from './run-schema.ts'
import { walk } from './walk.ts'

/**
 * One run, from what set it off to its end. A function of what its steps answered: the platform goes through it from the
 * start whenever it wakes, and does not do again what is done.
 */
export async function runTasa(port: StepPort): Promise<RunEnd['status'] | 'left'> {
  const run = await port.step(':begin', (world) => world.begin())
  if (!run) return 'left'
  const way: Way = { port, run, course: null }
  try {
    const known = keptOf(run, TAKING_BACK)
    const end = known === undefined ? await orTakeBack(way) : await undone(way, JSON.parse(known))
    await port.step(':end', (world) => world.end(end))
    // A yes that came after it was looked for and before the end woke nobody.
    const { unsaid = [] } = way.course ?? {}
    if (unsaid.length > 0) await inVain(port.step(':go on', (world) => world.goOn(unsaid)))
    return end.status
  } catch (error) {
    if (error instanceof Stopped) return 'left'
    throw error
  }
}

/** `course`: from where the run has something to ask or to do. */
type Way = Pick<Course, 'port' | 'run'> & { course: Course | null }

async function orTakeBack(way: Way): Promise<RunEnd> {
  try {
    return await carryOut(way)
  } catch (error) {
    if (error instanceof Stopped) throw error
    if (!(error instanceof Over)) return await undone(way, failureOf(error))
    const end = { ...ended(way.course), ...error.end }
    const status = end.evidence.length > 0 ? 'done' : 'failed'
    await settle(way, { status, effectIds: effectsOf(end), detail: end.reason ?? '' }, way.course?.suggestionIds ?? [])
    return end
  }
}

const NOTHING = { evidence: [], error: null, parked: [], isAccepted: null }
const ended = (course: Course | null) => ({
  ...NOTHING,
  ...(course && { evidence: course.evidence, isAccepted: course.isAccepted }),
})
const silent = (reason: string): RunEnd => ({ ...NOTHING, status: 'done', outcome: 'nothing', reason })

const effectsOf = ({ evidence }: Pick<RunEnd, 'evidence'>) => evidence.flatMap(({ effectId }) => effectId ?? [])

async function undone(way: Way, error: RunError): Promise<RunEnd> {
  const end = { ...ended(way.course), evidence: [], ...(await takeBack(way, error)) }
  await settle(way, { status: 'failed', effectIds: [], detail: end.error?.detail ?? '' })
  return end
}

function failureOf(error: unknown): RunError {
  if (error instanceof Failed) return error.told
  const detail = (error instanceof Error ? error.message : String(error)).slice(0, 500)
  // What every try of a step ended with, or a fault of ours.
  return { code: error instanceof ExpressionError ? 'expression' : 'unavailable', detail, step: null }
}

async function carryOut(way: Way): Promise<RunEnd> {
  const { run } = way
  const { definition } = run
  const reader = await openReader()
  const gathered = await once(way, { step: ':gather', kind: 'gather' }, (world) => world.gather(run), saidOf)
  // What rules find costs nothing, and the clock alone may make it true: it is part of what may be new.
  const ruled = definition.analysis?.kind === 'rules' ? await look(way, gathered) : null
  if (ruled?.findings.length === 0) return silent('no_findings')
  const shut = isGated(run)
    ? await once(way, { step: ':gate', kind: 'gate' }, (world) => world.gate(run, gathered, ruled?.findings ?? []))
    : null
  if (shut !== null) return silent(shut)
  const analysed = ruled ?? (await look(way, gathered))
  if (definition.analysis && analysed.findings.length === 0) return silent(analysed.reason ?? 'no_findings')
  const values = valuesOf(run, gathered, analysed)
  const isTainted = run.isTainted || gathered.isTainted
  const plan = await once(way, { step: ':plan', kind: 'plan' }, (world) =>
    planOf(world, { run, reader, values, analysed, isTainted }),
  )
  if (plan.error) throw new Failed(plan.error)
  const course: Course = {
    ...{ port: way.port, run, reader, values, plan, analysed, isTainted },
    ...{ agreed: new Map(), asked: new Set(), suggestionIds: [], unsaid: [], isAccepted: null, evidence: [], told: [] },
  }
  way.course = course
  const toAsk = plan.offers.filter(({ autonomy }) => autonomy === 'ask')
  const isTold = definition.suggestion !== null && plan.offers.length === 0 && plan.unknown.length === 0
  if (toAsk.length > 0 || isTold) {
    const answer = await agreeTo(course, toAsk, '')
    if (answer.decision === 'withheld') return silent(answer.reason)
    if (answer.decision === 'told') return suggested(course)
    if (answer.decision !== 'approved') return unwanted(course, answer.decision)
  }
  await walk({ reader, hands: realHands(course) }, definition.actions, values)
  return await acted(course)
}

async function look(way: Way, gathered: Gathered): Promise<Analysed> {
  const { run } = way
  const left = await awaited(way, gathered)
  const analysed = await once(way, ANALYSE, (world) => world.analyse(run, gathered, left))
  if (analysed.error) throw new Failed(analysed.error)
  return analysed
}

const ANALYSE = { step: ':analyse', kind: 'analyse' }

/** Where the analysis is left to a batch, the run waits until that has answered, or should have. */
async function awaited(way: Way, gathered: Gathered): Promise<Left | undefined> {
  const { run, port } = way
  const { priority, triggerKind, definition } = run
  const mayWait = priority === 'routine' && BY_CLOCK.has(triggerKind) && definition.analysis?.kind === 'model'
  if (!mayWait || keptOf(run, ANALYSE.step) !== undefined) return undefined
  const left = await once(way, { step: ':leave', kind: 'analyse' }, (world) => world.leave(run, gathered))
  if (!left) return undefined
  if (!(await port.step(':ended', (world) => world.hasEnded(left)))) {
    await mark(way, ':left', { status: 'waiting', until: new Date(left.untilMs).toISOString() })
    await port.waitFor(':await', 'analysed', left.untilMs)
  }
  // It begins once more: of a workflow that was deleted meanwhile nothing is asked or done.
  if (!(await port.step(':heard', async (world) => (await world.begin()) !== null))) throw new Stopped()
  return left
}

// Nobody waits for what the clock alone set off.
const BY_CLOCK = new Set(['at', 'every', 'cron', 'rrule'])

/** A person who asks for it themselves is not kept from it. */
const isGated = ({ definition, triggerKind }: Begun): boolean =>
  triggerKind !== 'manual' && (definition.suggestion !== null || definition.analysis?.kind === 'model')

const saidOf = ({ facts }: Gathered) => ({
  says: Object.entries(facts)
    .map(([name, found]) => (Array.isArray(found) ? `${found.length} ${name}` : name))
    .join(', ')
    .slice(0, 500),
})

function valuesOf({ params, trigger }: Begun, { facts, now }: Gathered, { findings }: Analysed): Values {
  return { params, trigger, now, facts, findings, steps: {} }
}

function suggested(course: Course): RunEnd {
  const [id = null] = course.suggestionIds
  const says = 'Told the person'
  const evidence = [{ step: ':suggest', kind: 'suggestion', says, effectId: null, id, provider: 'aurelius' }]
  return { ...NOTHING, status: 'done', outcome: 'suggested', reason: null, evidence }
}

function unwanted(course: Course, decision: 'dismissed' | 'expired'): RunEnd {
  const status = decision === 'expired' ? ('expired' as const) : ('done' as const)
  return {
    ...ended(course),
    status,
    outcome: decision,
    reason: decision,
    isAccepted: decision === 'dismissed' ? false : null,
  }
}

/** A success shows what it did; who did nothing says so. */
async function acted(course: Course): Promise<RunEnd> {
  const { port, run, evidence, told, plan } = course
  const settlement = { status: 'done' as const, effectIds: effectsOf(course), detail: `${evidence.length} done` }
  await settle(course, settlement, course.suggestionIds)
  if (evidence.length === 0) {
    const isForbidden = plan.offers.length > 0 && plan.offers.every(({ autonomy }) => autonomy === 'never')
    const reason = isForbidden ? 'never_allowed' : plan.offers.length > 0 ? 'left_out' : 'no_action_applies'
    return { ...ended(course), status: 'done', outcome: 'nothing', reason }
  }
  if (told.length > 0) await inVain(port.step(':tell', (world) => world.tell(noticeOf(run, told))))
  return { ...ended(course), status: 'done', outcome: 'acted', reason: null }
}

type Settlement = Parameters<World['settle']>[0]

/** Says of what was allowed what came of it. */
async function settle({ port }: Pick<Way, 'port'>, end: Settlement, ids?: string[]): Promise<void> {
  if (ids?.length !== 0) await inVain(port.step(':settle', (world) => world.settle(end, ids)))
}

// What is only said after it was done: that it could not be said takes nothing back.
async function inVain(said: Promise<void>): Promise<void> {
  try {
    await said
  } catch {
    // Its step was tried often enough, and has told the log.
  }
}

function noticeOf({ id, name }: Begun, told: string[]): Notice {
  return { key: `run-told:${id}`, title: `"${name}" was carried out`, body: told.join('; '), isAlert: false }
}
