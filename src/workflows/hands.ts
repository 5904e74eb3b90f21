import { z } from 'zod'
import { holdsOthersWords, wasCut } from '#core'
import { effectKind, type Outcome } from '#effects'
import type { ActionOffer } from '#proactivity'
import { agreeTo, answerTo, isCovered } from './agree.ts'
import { isStale } from './analyse.ts'
import { nowIn } from './cel-functions.ts'
import { type Course, Failed, keptOf, keyOf, mark, Over, once } from './course.ts'
import { allowed, isTainting, QUESTION } from './plan.ts'
import type { World } from './ports.ts'
import { cut } from './reader.ts'
import type { Doing } from './run-schema.ts'
import type { DoStep, Hands } from './walk.ts'

const MAX_OUTPUT_CHARS = 20_000
const ASK_MINUTES = 1440
const MINUTE_MS = 60_000
/** A hold ends when its timer says so, not to the second. */
const HOLD_SLACK_MS = 2000
/** The platform sleeps no longer at once. */
const MAX_WAIT_MS = 365 * 86_400_000
const MAX_HOLDS = 20

/** What was handed on is looked at again, each time twice as long after, for more than three days. */
const FIRST_LOOK_MS = 5000
const MAX_LOOK_MS = 43_200_000

type Done = Extract<Outcome, { evidence: unknown }>
type Input = Record<string, unknown>

/** Hands that do it: each act asked about where it must be, done once, and shown by what it left. */
export function realHands(course: Course): Hands {
  const { reader } = course
  return {
    unsure: null,
    instead: course.instead,
    act: async (path, step, values) => await act(course, path, step, reader.input(step.input, values)),
    ask: async (path, { ask }, values) => {
      const question = reader.text(ask.question, values, 1000)
      return await asked(course, path, question, ask)
    },
    pause: async (path, { wait }, values) => {
      const minutes = 'minutes' in wait ? wait.minutes : null
      const until = 'until' in wait ? untilOf(path, reader.text(wait.until, values, 200)) : 0
      const untilMs = await once(course, { step: `${path}:wait`, kind: 'wait' }, async (world) => {
        const nowMs = world.now().getTime()
        const atMs = minutes === null ? until : nowMs + minutes * MINUTE_MS
        return atMs - nowMs > MAX_WAIT_MS ? null : atMs
      })
      if (untilMs === null)
        throw new Failed({ code: 'expression', detail: 'It would wait for more than a year', step: path })
      await mark(course, `${path}:asleep`, { status: 'waiting', until: new Date(untilMs).toISOString() })
      await course.port.sleepUntil(`${path}:sleep`, untilMs)
      const woken = await once(course, { step: `${path}:awake`, kind: 'wait' }, async (world) => world.now().getTime())
      await mark(course, `${path}:goes on`, { status: 'running' })
      return nowIn(new Date(woken), String(values.now['timeZone']))
    },
  }
}

type Asking = { choices?: string[] | undefined; expiresMinutes?: number | undefined }

async function asked(course: Course, path: string, question: string, { choices = [], expiresMinutes }: Asking) {
  const answer = await answerTo(course, path, { question, choices, minutes: expiresMinutes ?? ASK_MINUTES })
  if (answer === null) throw new Over({ status: 'expired', outcome: 'expired', reason: 'no_answer' })
  return { answer }
}

const Question = z.looseObject({
  question: z.string().min(1).max(1000),
  choices: z.array(z.string()).optional(),
  expiresMinutes: z.number().optional(),
})

/** The question as an act: asked as a step would, and what shows it is the answer. */
async function askAs(course: Course, path: string, input: Input): Promise<unknown> {
  const { data } = Question.safeParse(input)
  if (!data) throw new Failed({ code: 'invalid_request', detail: 'It asks nothing', step: path })
  const answer = await asked(course, path, data.question, data)
  const says = cut(`Asked \u201c${data.question}\u201d`, 500)
  const id = `${course.run.id}.${path}:ask`
  course.evidence.push({ step: path, kind: QUESTION, says, effectId: null, id, provider: 'aurelius' })
  return answer
}

function untilOf(step: string, written: string): number {
  const at = Date.parse(written)
  if (Number.isNaN(at)) throw new Failed({ code: 'expression', detail: `${written} is no time to wait for`, step })
  return at
}

async function act(course: Course, path: string, step: DoStep, wanted: Input): Promise<unknown> {
  const kind = step.do
  const leave = await whetherTo(course, path, kind, wanted)
  if ('skip' in leave) {
    // Shown, not kept as what came of it: a yes that comes late does it after all.
    await mark(course, `${path}:skip`, {
      status: 'running',
      doing: { step: path, kind, status: 'skipped', says: leave.skip },
    })
    return null
  }
  const { input, isAgreed, isTold } = leave
  if (kind === QUESTION) return await askAs(course, path, input)
  const outcome = await done(course, path, kind, async (world) => {
    const outward = effectKind(kind)?.outward ?? true
    const made = await world.effects.perform({
      ...{ kind, input, isAgreed, key: keyOf(course.run, path), tainted: course.isTainted },
      origin: { kind: 'run', runId: course.run.id, step: path },
    })
    // Tried again by the port of steps, each time under the same key.
    if ('isRetryable' in made && made.isRetryable) throw new Error(`${made.code}: ${made.detail}`)
    if (made.status === 'done' && outward && made.evidence.id === null)
      return {
        status: 'unknown',
        code: 'no_evidence',
        detail: `Nothing shows that it was done: ${made.says}`,
        effectId: made.effectId,
        isRetryable: false,
      }
    return made
  })
  if (outcome === null) return null
  course.isTainted ||= isTainting(kind) || holdsOthersWords(outcome.output) || wasCut(outcome.output)
  course.evidence.push(evidenceOf(path, kind, outcome))
  if (isTold) course.told.push(outcome.says)
  return JSON.stringify(outcome.output ?? null).length > MAX_OUTPUT_CHARS ? null : outcome.output
}

type Leave = { skip: string } | { input: Input; isAgreed: boolean; isTold: boolean }

/** Whether it may be done: by what the person agreed to, by what they allow; else they are asked now. */
async function whetherTo(course: Course, path: string, kind: string, wanted: Input): Promise<Leave> {
  const { asked, agreed, plan, run, analysed } = course
  const shown = [...plan.offers, ...(plan.alternatives ?? [])].find(({ id }) => id === path)
  const theirs = agreed.get(path)
  if (asked.has(path)) {
    if (!theirs) return { skip: 'left_out' }
    const isEdited = JSON.stringify(theirs) !== JSON.stringify(shown?.input)
    if (isEdited) return { input: theirs, isAgreed: true, isTold: false }
    if (isCovered(kind, wanted, theirs)) return { input: wanted, isAgreed: true, isTold: false }
  }
  const outward = effectKind(kind)?.outward ?? true
  const tainted = course.isTainted
  const level = await once(course, { step: `${path}:allow`, kind: 'allow' }, async (world) => {
    const [found] = await allowed(world, run, [{ kind, outward, tainted, isStale: isStale(analysed, wanted) }])
    return found ?? 'ask'
  })
  if (level === 'never') return { skip: 'never_allowed' }
  if (level !== 'ask') return { input: wanted, isAgreed: false, isTold: level === 'act_and_tell' }
  return await askNow(course, path, offerOf(path, kind, wanted, shown))
}

function offerOf(path: string, kind: string, input: Input, shown: ActionOffer | undefined) {
  const { outward = true, undoWindowMs = null } = effectKind(kind) ?? {}
  const says = JSON.stringify(shown?.input) === JSON.stringify(input) && shown ? shown.says : wordsOf(kind, input)
  return { id: path, kind, input, says, outward, reversible: undoWindowMs !== null }
}

function wordsOf(kind: string, input: Input): string {
  return `${kind.replaceAll('_', ' ')}: ${JSON.stringify(input)}`.slice(0, 500).toWellFormed()
}

async function askNow(course: Course, path: string, offer: ReturnType<typeof offerOf>): Promise<Leave> {
  const answer = await agreeTo(course, [offer], path)
  switch (answer.decision) {
    case 'approved': {
      const input = course.agreed.get(path)
      return input ? { input, isAgreed: true, isTold: false } : { skip: 'left_out' }
    }
    case 'dismissed':
      return { skip: 'dismissed' }
    case 'withheld':
      return { skip: answer.reason }
    case 'expired':
    case 'told':
      throw new Over({ status: 'expired', outcome: 'expired', reason: 'no_decision' })
  }
}

/** What came of an act, once it is certain; null: the person stopped it while it was held. */
async function done(
  course: Course,
  path: string,
  kind: string,
  perform: (world: World) => Promise<Outcome>,
): Promise<Done | null> {
  const doing = { step: path, kind }
  const { port, run } = course
  if (keptOf(run, path) === undefined)
    await mark(course, `${path}:begin`, { status: 'running', doing: { ...doing, status: 'running' } })
  let outcome: Outcome = await once(course, doing, perform, (made) => doingOf(doing, made))
  for (let n = 0; (outcome.status === 'held' || outcome.status === 'sending') && n < MAX_HOLDS; n++) {
    const { status, heldUntil } = outcome
    const untilMs =
      status === 'held'
        ? Date.parse(heldUntil ?? '') + HOLD_SLACK_MS * (n + 1)
        : await port.step(
            `${path}:look ${n}`,
            async (world) => world.now().getTime() + Math.min(MAX_LOOK_MS, FIRST_LOOK_MS * 2 ** n),
          )
    await mark(course, `${path}:held ${n}`, { status: 'waiting', until: new Date(untilMs).toISOString() })
    await port.sleepUntil(`${path}:hold ${n}`, untilMs)
    outcome = await port.step(`${path}:sent ${n}`, async (world) => {
      const now = await perform(world)
      if (now.status !== 'held' && now.status !== 'sending') await world.amend(doingOf(doing, now))
      return now
    })
  }
  switch (outcome.status) {
    case 'done':
      return outcome
    case 'held':
    case 'sending':
      throw new Failed({ code: 'unknown', detail: `It is still not done: ${outcome.says}`, step: path })
    case 'refused':
    case 'failed':
    case 'unknown': {
      // Taken back by the person before it was done: their word, no failure.
      if (outcome.code === 'cancelled') return null
      const code = outcome.status === 'unknown' ? 'unknown' : outcome.code
      throw new Failed({ code, detail: outcome.detail.slice(0, 500), step: path })
    }
  }
}

function doingOf(doing: Pick<Doing, 'step' | 'kind'>, outcome: Outcome): Doing {
  const { effectId } = outcome
  switch (outcome.status) {
    case 'done':
    case 'held':
    case 'sending':
      return {
        ...doing,
        status: outcome.status === 'done' ? 'done' : 'waiting',
        says: outcome.says,
        effectId,
        evidence: outcome.evidence,
      }
    case 'failed':
    case 'refused':
    case 'unknown': {
      const error = { code: outcome.code, detail: outcome.detail.slice(0, 500), step: doing.step }
      return { ...doing, status: outcome.code === 'cancelled' ? 'skipped' : 'failed', effectId, error }
    }
  }
}

// What stays inside leaves its own row; whatever goes out shows the id of whoever took it.
function evidenceOf(step: string, kind: string, { says, effectId, evidence }: Done) {
  return { step, kind, says: says.slice(0, 500), effectId, id: evidence.id ?? effectId, provider: evidence.provider }
}
