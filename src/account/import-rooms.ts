import { z } from 'zod'
import { type FieldError, fieldErrors, s } from '#core'
import { NewSuggestion, printOf, Status } from '#proactivity'
import { NewSchedule } from '#scheduler'
import { Definition, NewWorkflow, workflowFaults } from '#workflows'
import { at, count, kept, line, oldId, oldIdOf, type RoomFile, userId } from './import-schema.ts'

const MAX_FAULTS = 10

type Item = Record<string, unknown>
/** An item as its row is to be. `wasOn`: where it comes from it acted by itself, and here it does not. */
type Taken = { item: Item; wasOn: boolean }
type Taking<T> = {
  /** What the schema cannot see. */
  faults?(item: T): Promise<FieldError[]>
  take(item: T, now: Date): Taken
}
type Room = (given: Item, now: Date) => Promise<Taken | FieldError[]>

function room<T extends Item>(schema: s.Later<z.ZodType<T>>, { faults, take }: Taking<T>): Room {
  return async (given, now) => {
    const read = s.settled(schema).safeParse(given)
    const found = read.success ? ((await faults?.(read.data)) ?? []) : fieldErrors(read.error)
    return read.success && found.length === 0 ? take(read.data, now) : found.slice(0, MAX_FAULTS)
  }
}

const asItIs = (item: Item): Taken => ({ item, wasOn: false })

const Schedule = s.later(() =>
  z.strictObject({
    ...NewSchedule.shape,
    ...kept,
    id: oldId('sch'),
    followsZone: z.boolean(),
    status: z.enum(['active', 'paused', 'done']),
    nextAt: at,
  }),
)

const inUse = s.later(() => z.strictObject({ definition: Definition(), note: s.text(300), createdAt: s.instant }))
const Workflow = s.later(() => {
  const { name, description, savesMinutes, params } = NewWorkflow().shape
  return z
    .strictObject({
      ...{ ...kept, id: oldId('wfl'), name, description, savesMinutes, params },
      status: z.enum(['enabled', 'disabled', 'paused']),
      pausedReason: line(40),
      pausedUntil: at,
      definitionVersion: kept.version,
      latestVersion: kept.version,
      templateKey: line(60),
      failuresInRow: count,
      windowAt: at,
      windowUsed: count,
      deletedAt: at,
      inUse: inUse(),
    })
    .refine(({ definitionVersion, latestVersion }) => definitionVersion <= latestVersion, {
      path: ['definitionVersion'],
      message: 'must not come after the latest',
    })
})
const Version = s.later(() =>
  z
    .strictObject({ ...inUse().shape, id: oldIdOf('wfl'), workflowId: oldId('wfl'), version: kept.version, userId })
    .refine(({ id, workflowId, version }) => id === `${workflowId}.${version}`, {
      path: ['id'],
      message: 'must be that of the workflow with the version',
    }),
)

const Commitment = s.later(() =>
  z
    .strictObject({
      ...kept,
      id: oldId('cmt'),
      source: z.enum(['message', 'mail']),
      sourceId: s.line(40),
      quote: s.text(500, 1),
      what: s.line(200),
      due: z.strictObject({ date: s.localDate, time: s.localTime.optional() }).nullable(),
      status: z.enum(['open', 'done', 'dropped']),
      endedBy: z.enum(['person', 'task', 'message', 'mail', 'suggestion']).nullable(),
      suggestionId: oldId('sug').nullable(),
      taskId: oldId('task').nullable(),
      endedAt: at,
    })
    .refine(
      ({ status, endedAt, endedBy }) => [endedAt, endedBy].every((one) => (one === null) === (status === 'open')),
      {
        path: ['endedAt'],
        message: 'goes with the status',
      },
    ),
)

const DECIDED: ReadonlySet<string> = new Set([
  'approved',
  'dismissed',
  'expired',
  'running',
  'done',
  'failed',
  'undone',
])
const Suggestion = s.later(() => {
  const offer = NewSuggestion().shape
  return z.strictObject({
    ...offer,
    ...kept,
    id: oldId('sug'),
    workflowId: line(40),
    agreed: offer.actions.nullable(),
    rank: z.number().min(0).max(3),
    status: Status.refine((status) => DECIDED.has(status), 'was not decided, and nothing is offered anew'),
    reason: line(40),
    fingerprint: s.line(100),
    moment: s.line(60),
    wakeAt: at,
    proposedAt: at,
    seenAt: at,
    decidedAt: s.instant,
    effectIds: s.list(s.line(40), 500),
    detail: s.text(2000).nullable(),
  })
})
const Decision = s.later(() =>
  z.strictObject({
    ...{ id: oldIdOf('sug'), suggestionId: oldId('sug'), userId, createdAt: s.instant },
    kind: NewSuggestion().shape.kind,
    decision: z.enum(['approved', 'dismissed', 'snoozed', 'expired', 'undone']),
    isEdited: z.boolean(),
    reason: s.text(500).nullable(),
  }),
)

const UNDER_WAY: ReadonlySet<string> = new Set(['approved', 'running'])

/** A suggestion as history: nothing of it goes on, can be taken back, or is later than now. */
function toPast({ status, detail, ...item }: z.infer<ReturnType<typeof Suggestion>>, now: Date): Taken {
  const past = (instant: string | null) =>
    instant && (Date.parse(instant) > now.getTime() ? now.toISOString() : instant)
  const isCut = UNDER_WAY.has(status)
  return asItIs({
    ...item,
    ...{ status: isCut ? 'failed' : status, detail: isCut ? 'It was under way when it was exported' : detail },
    ...{ effectIds: [], wakeAt: null, reason: null, tainted: true, fingerprint: printOf(item) },
    ...{ proposedAt: past(item.proposedAt), seenAt: past(item.seenAt), decidedAt: past(item.decidedAt) },
  })
}

/** How what other rooms keep is taken back: as they would take it, off where it would act by itself, and what is over as such. */
export const ROOMS: Readonly<Record<RoomFile, Room>> = {
  schedules: room(Schedule, {
    take: ({ status, ...item }) => ({
      item: { ...item, status: status === 'active' ? 'paused' : status, nextAt: null },
      wasOn: status === 'active',
    }),
  }),
  workflows: room(Workflow, {
    faults: async ({ params, inUse: { definition } }) => {
      const faults = await workflowFaults({ definition, params })
      return faults.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/definition/, '/inUse$&'), detail }))
    },
    take: ({ status, ...item }) => ({
      item: {
        ...item,
        ...{ status: 'disabled', pausedReason: null, pausedUntil: null, failuresInRow: 0 },
        ...{ windowAt: null, windowUsed: 0 },
      },
      wasOn: status !== 'disabled' && item.deletedAt === null,
    }),
  }),
  'workflow-versions': room(Version, { take: asItIs }),
  commitments: room(Commitment, { take: asItIs }),
  suggestions: room(Suggestion, { take: toPast }),
  'suggestion-decisions': room(Decision, { take: asItIs }),
}
