import { z } from '@hono/zod-openapi'
import { s } from '#core'
import { STATUSES } from './tables.ts'

const count = s.int(0, 2_147_483_647)
const ref = z.string().max(200).nullable()

/** What a kind was given, or a part of what it changed: any JSON. */
const Payload = s.later(() => z.unknown().openapi({ type: 'object', additionalProperties: true }))
const State = s.later(() => z.unknown().openapi({ type: ['object', 'null'], additionalProperties: true }))

const Change = s.later(() => z.strictObject({ target: ref, before: State(), after: State() }).openapi('EffectChange'))
const Origin = s.later(() =>
  z
    .strictObject({
      kind: z.enum(['turn', 'run', 'suggestion', 'schedule', 'api']),
      messageId: ref,
      callId: ref,
      runId: ref,
      step: ref,
      suggestionId: ref,
      action: ref,
      scheduleRunId: ref,
    })
    .openapi('EffectOrigin'),
)
const EffectStatus = z.enum(STATUSES)

export const Effect = s.later(() =>
  z
    .strictObject({
      id: s.id('eff'),
      kind: z.string().max(100),
      status: EffectStatus,
      says: z.string().max(500),
      input: Payload(),
      changes: s.list(Change(), 100),
      outward: z.boolean(),
      tainted: z.boolean().openapi({ description: 'What led to it had read text of others' }),
      agreed: z.boolean(),
      reversible: z.boolean().openapi({ description: 'Whether it may still be taken back' }),
      undoUntil: s.instant.nullable(),
      heldUntil: s.instant
        .nullable()
        .openapi({ description: 'Until then it has not been done, and undoing cancels it' }),
      output: State(),
      evidence: z.strictObject({ id: ref, provider: ref }),
      error: z.strictObject({ code: z.string().max(50), detail: z.string().max(500) }).nullable(),
      origin: Origin(),
      version: count,
      doneAt: s.instant.nullable(),
      endedAt: s.instant.nullable(),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Effect'),
)
export type Effect = z.infer<ReturnType<typeof Effect>>
export const EffectPage = s.later(() => s.pageOf(Effect()).openapi('EffectPage'))

export const EffectQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  status: EffectStatus.optional(),
  kind: s.line(100).optional(),
  runId: s.line(100).optional(),
  messageId: s.line(100).optional(),
})
export type EffectQuery = z.infer<typeof EffectQuery>

/** A kind of effect as whoever is to approve one sees it. */
export const EffectKindShown = s.later(() =>
  z
    .strictObject({
      kind: z.string().max(100),
      description: z.string().max(2000),
      outward: z.boolean().openapi({ description: "Leaves the person's own data" }),
      reversible: z.boolean().openapi({ description: 'False: nothing takes it back' }),
      undoWindowS: count.nullable(),
      holdS: count.openapi({ description: 'For so long it waits, and undoing means it was never done' }),
    })
    .openapi('EffectKind'),
)
export type EffectKindShown = z.infer<ReturnType<typeof EffectKindShown>>
export const EffectKinds = s.later(() =>
  z.strictObject({ items: s.list(EffectKindShown(), 200) }).openapi('EffectKinds'),
)

export const Undo = z
  .strictObject({
    since: s.instant.optional(),
    until: s.instant.optional().openapi({ description: 'With `since`: only what was asked for before then' }),
    id: s.id('eff').optional(),
    runId: s.line(100).optional(),
    force: z.boolean().default(false).openapi({ description: 'Also what was changed since' }),
    cursor: s.cursor.openapi({ description: 'Of the answer before, to go on with what came earlier' }),
  })
  .refine(({ id, runId, since }) => [id, runId, since].filter((one) => one !== undefined).length === 1, {
    error: 'must have one of id, runId and since',
  })
  .refine(({ since, until }) => until === undefined || since !== undefined, {
    path: ['until'],
    error: 'goes with since',
  })
  .openapi('EffectUndo')
export type Undo = z.infer<typeof Undo>

export const Undone = s.later(() =>
  z
    .strictObject({
      id: s.id('eff'),
      status: z.enum(['undone', 'cancelled', 'already', 'irreversible', 'too_late', 'changed_since', 'failed']),
      says: z.string().max(2000),
    })
    .openapi('EffectUndone'),
)
export type Undone = z.infer<ReturnType<typeof Undone>>
export const UndoneList = s.later(() => s.pageOf(Undone()).openapi('EffectsUndone'))

/** An act the person themselves asks for: it is agreed to. */
export const NewEffect = z
  .strictObject({
    kind: s.line(100).openapi({ description: 'One of `GET /v1/effect-kinds`', example: 'create_task' }),
    input: z
      .record(z.string().max(200), z.unknown())
      .openapi({ description: 'As the kind wants it', example: { title: 'Call Ada' } }),
  })
  .openapi('NewEffect')
export type NewEffect = z.infer<typeof NewEffect>

export const Preview = s.later(() =>
  z
    .strictObject({
      kind: z.string().max(100),
      says: z.string().max(500),
      changes: s.list(Change(), 100),
      outward: z.boolean(),
      reversible: z.boolean(),
      undoWindowS: count.nullable(),
    })
    .openapi('EffectPreview'),
)
export type Preview = z.infer<ReturnType<typeof Preview>>
