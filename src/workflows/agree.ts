import { effectKind } from '#effects'
import { type ActionOffer, type NewSuggestion, RUN_APPROVAL } from '#proactivity'
import { isStale } from './analyse.ts'
import { type Course, mark, once, Stopped } from './course.ts'
import type { Begun, Decision } from './ports.ts'
import { cut } from './reader.ts'

const MAX_OFFERS = 10
const DEFAULT_EXPIRES_MINUTES = 1440
const MINUTE_MS = 60_000
/** That it expired is told by an event: this much longer it is waited for. */
const SLACK_MS = 5 * MINUTE_MS
const MAX_WAKES = 200
/** One offer for all that a suggestion has no room for. */
const REST = 'and_more'

export type Agreed = { decision: Decision['decision'] | 'told' } | { decision: 'withheld'; reason: string }

/** Puts acts before the person and waits for what they say of them; without any, it only tells. */
export async function agreeTo(course: Course, offers: ActionOffer[], at: string): Promise<Agreed> {
  const others = at === '' && offers.length > 0 ? (course.plan.alternatives ?? []) : []
  const { minutes, suggestion } = suggestionOf(course, { offers, others }, at)
  const { asked, expiresAt } = await once(
    course,
    { step: `${at}:suggest`, kind: 'suggestion' },
    async (world) => {
      const until = new Date(world.now().getTime() + minutes * MINUTE_MS).toISOString()
      return { asked: await world.propose({ ...suggestion, expiresAt: until }), expiresAt: until }
    },
    ({ asked: answer }) =>
      answer.status === 'proposed' ? { says: answer.id } : { status: 'skipped', says: `Not said: ${answer.reason}` },
  )
  if (asked.status === 'withheld') {
    // Released by the person, or said after quiet hours: then it was decided after all.
    const late = await course.port.step(`${at}:released`, (world) => world.decided(asked.id))
    if (late?.decision !== 'approved') {
      course.unsaid.push(asked.id)
      return { decision: 'withheld', reason: asked.reason }
    }
    course.suggestionIds.push(asked.id)
    return take(course, { offers, others }, late)
  }
  course.suggestionIds.push(asked.id)
  if (offers.length === 0) return { decision: 'told' }
  const untilMs = Date.parse(expiresAt) + SLACK_MS
  await mark(course, `${at}:proposed`, {
    status: 'proposed',
    until: new Date(untilMs).toISOString(),
    suggestionId: asked.id,
  })
  const decision = await decisionOf(course, asked.id, at, untilMs)
  await mark(course, `${at}:decided`, { status: 'running' })
  return take(course, { offers, others }, decision)
}

// What was decided stands in the database; an event only wakes, and may be another's.
async function decisionOf({ port }: Course, id: string, at: string, untilMs: number): Promise<Decision> {
  for (let n = 0; n < MAX_WAKES; n++) {
    const { decision, nowMs } = await port.step(`${at}:decision ${n}`, async (world) => ({
      decision: await world.decided(id),
      nowMs: world.now().getTime(),
    }))
    if (decision) return decision
    if (nowMs >= untilMs) break
    await port.waitFor(`${at}:wait ${n}`, 'decided', untilMs)
  }
  return { decision: 'expired', actions: [] }
}

/** `others`: what may be chosen instead. */
type Put = { offers: ActionOffer[]; others: ActionOffer[] }

function take(course: Course, { offers, others }: Put, { decision, actions }: Decision): Agreed {
  course.isAccepted = decision === 'approved'
  const [shown, rest] = apart(offers)
  for (const { id } of [...offers, ...others]) course.asked.add(id)
  if (decision === 'approved')
    for (const { id, input } of actions) {
      if (id === REST) for (const one of rest) course.agreed.set(one.id, one.input)
      else if ([...shown, ...others].some((offer) => offer.id === id)) course.agreed.set(id, input)
    }
  if (others.some(({ id }) => course.agreed.has(id))) course.instead = chosen(course, offers)
  return { decision }
}

/** Of the actions none goes on where something else was chosen and none of them. */
function chosen({ run: { definition }, agreed }: Course, offers: ActionOffer[]) {
  const others = definition.suggestion?.alternatives?.filter(({ id }) => agreed.has(id)) ?? []
  return offers.some(({ id }) => agreed.has(id)) ? [...definition.actions, ...others] : others
}

function apart(offers: ActionOffer[]): [ActionOffer[], ActionOffer[]] {
  if (offers.length <= MAX_OFFERS) return [offers, []]
  return [offers.slice(0, MAX_OFFERS - 1), offers.slice(MAX_OFFERS - 1)]
}

function offered(offers: ActionOffer[]): ActionOffer[] {
  const [shown, rest] = apart(offers)
  const [first] = rest
  if (!first) return shown
  const more: ActionOffer = {
    id: REST,
    kind: first.kind,
    input: { steps: rest.map(({ id }) => id) },
    says: cut(`And ${rest.length} more: ${rest.map(({ says }) => says).join('; ')}`, 500),
    outward: rest.some(({ outward }) => outward),
    reversible: rest.every(({ reversible }) => reversible),
  }
  return [...shown, more]
}

// What a plan knows besides is not the person's to read.
const bare = ({ id, kind, input, says, outward, reversible }: ActionOffer): ActionOffer => ({
  ...{ id, kind, input, says, outward, reversible },
})

// Why they are asked about what they allow.
const CHANGED = '\n\nSomething that this rests on has changed since it was looked at.'

type Draft = { minutes: number; suggestion: Omit<NewSuggestion, 'expiresAt'> }

function suggestionOf(course: Course, { offers, others }: Put, at: string): Draft {
  const { run, reader, values, analysed, isTainted } = course
  const own = at === '' ? run.definition.suggestion : null
  const minutes = own?.expiresMinutes ?? run.definition.suggestion?.expiresMinutes ?? DEFAULT_EXPIRES_MINUTES
  const isOld = offers.some(({ input }) => isStale(analysed, input))
  const list = `${offers.map(({ says }) => `- ${says}`).join('\n')}${isOld ? CHANGED : ''}`
  const { findings } = analysed
  const facts = new Map(findings.flatMap((finding) => finding.facts).map((fact) => [fact.id, fact]))
  const confidence = findings.length === 0 ? 1 : Math.max(...findings.map((finding) => finding.confidence))
  const suggestion = {
    key: `run:${run.id}:${at}`,
    kind: own?.kind ?? RUN_APPROVAL,
    title: own ? oneLine(reader.text(own.title, values, 300)) : cut(`"${run.name}" asks for your OK`, 300),
    body: cut(own ? `${reader.text(own.body, values, 4000)}${ideasIn(findings)}` : list, 4000),
    actions: offered(offers.map(bare)),
    alternatives: others.map(bare),
    why: {
      trigger: triggerWords(run),
      facts: [...facts.values()].slice(0, 50),
      score: {},
      rule: analysed.rule,
      model: analysed.model,
      costMicros: analysed.costMicros,
      decisionId: analysed.decisionId,
    },
    confidence,
    priority: run.priority,
    source: { kind: 'run' as const, runId: run.id },
    tainted: isTainted,
    workflowId: run.workflowId,
  }
  return { minutes, suggestion }
}

/** What a model would do instead is words: nothing of it can be chosen. */
function ideasIn(findings: Course['analysed']['findings']): string {
  const ideas = [...new Set(findings.flatMap(({ alternatives }) => alternatives))]
  return ideas.length === 0 ? '' : `\n\nInstead:\n${ideas.map((one) => `- ${one}`).join('\n')}`
}

export const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim()

/** What set a run off. */
export function triggerWords(run: Pick<Begun, 'trigger' | 'triggerKind'>): string {
  const { type } = run.trigger
  return cut(typeof type === 'string' ? `${run.triggerKind}: ${type}` : run.triggerKind, 500)
}

/** Whether what is to be done is what was agreed to: an act that goes out is asked about anew where it is another. */
export function isCovered(kind: string, wanted: unknown, shown: unknown): boolean {
  return !(effectKind(kind)?.outward ?? true) || JSON.stringify(wanted) === JSON.stringify(shown)
}

/** Asks a question and waits for the answer; null: none came in time. */
export async function answerTo(
  course: Course,
  step: string,
  asked: { question: string; choices: string[]; minutes: number },
) {
  const { question, choices, minutes } = asked
  const { port } = course
  const { expiresAt } = await once(
    course,
    { step: `${step}:ask`, kind: 'question' },
    async (world) => {
      const until = new Date(world.now().getTime() + minutes * MINUTE_MS).toISOString()
      const put = { step, question, choices, expiresAt: until }
      await world.question(put)
      return put
    },
    () => ({ status: 'waiting', says: cut(question, 500) }),
  )
  const untilMs = Date.parse(expiresAt)
  await mark(course, `${step}:asked`, { status: 'waiting', until: expiresAt })
  let answer: string | null = null
  for (let n = 0; n < MAX_WAKES; n++) {
    const looked = await port.step(`${step}:answer ${n}`, async (world) => ({
      answer: await world.answered(step),
      nowMs: world.now().getTime(),
    }))
    answer = looked.answer
    if (answer !== null || looked.nowMs >= untilMs) break
    await port.waitFor(`${step}:wait ${n}`, 'answered', untilMs)
  }
  const isMine = await port.step(`${step}:heard`, async (world) => {
    await world.amend({ step: `${step}:ask`, kind: 'question', status: answer === null ? 'skipped' : 'done' })
    return await world.mark({ status: 'running' })
  })
  if (!isMine) throw new Stopped()
  return answer
}
