import { z } from 'zod'
import { s } from '#core'
import { NewWorkflow } from './workflow-schema.ts'

export const DraftAsk = z
  .strictObject({ text: s.text(1000, 1).regex(/\S/, 'must say something') })
  .openapi('WorkflowDraftAsk')

export const Draft = s.later(() =>
  z
    .strictObject({
      understood: z.boolean(),
      says: z.string().max(2000).openapi({ description: 'What it would do, and when, in plain words' }),
      workflow: z
        .union([NewWorkflow(), z.null()])
        .openapi({ description: 'As POST /v1/workflows takes it; nothing was kept' }),
      template: z.string().max(60).nullable().optional().openapi({ description: 'The template it was made of' }),
      next: s.list(s.instant, 5).openapi({ description: 'When it would run next of its own accord' }),
      notUnderstood: s.list(z.string().max(300), 5),
      because: z.string().max(1000).nullable().openapi({ description: 'Why there is no workflow' }),
      faults: s.list(z.strictObject({ pointer: z.string().max(400), detail: z.string().max(500) }), 50),
      model: z.string().max(100).nullable().openapi({ description: 'Null: it was read by rules' }),
      repairs: s.int(0, 2).openapi({ description: 'How often the model corrected itself' }),
      costMicros: s
        .int(0, Number.MAX_SAFE_INTEGER)
        .openapi({ description: 'What a model was paid, also where rules made the draft after it failed' }),
    })
    .openapi('WorkflowDraft'),
)
export type Draft = z.infer<ReturnType<typeof Draft>>
