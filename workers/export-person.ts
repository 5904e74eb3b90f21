import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers'
import { EXPORT_SECTIONS, exportPage, finishExport } from '#account'
import { durableStep } from './durable-step.ts'

/** One export: a step for each page of each section, and one that makes the archive. */
export class ExportPerson extends WorkflowEntrypoint<Env, { id: string }> {
  override async run({ payload: { id } }: WorkflowEvent<{ id: string }>, step: WorkflowStep): Promise<void> {
    const at = { env: this.env, runtime: this.ctx, step }
    for (const section of EXPORT_SECTIONS) {
      let after: string | null = null
      for (let part = 0; part === 0 || after !== null; part++) {
        const from: Parameters<typeof exportPage>[2] = { section, part, after }
        after = await durableStep(at, `${section} ${part}`, (ctx) => exportPage(ctx, id, from))
      }
    }
    await durableStep(at, 'archive', (ctx) => finishExport(ctx, id))
  }
}
