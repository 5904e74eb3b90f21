import { EXPORT_SECTIONS, exportPage, finishExport } from '#account'
import { durableStep, type StepPlace } from './durable-step.ts'

/** One export: a step for each page of each section, and one that makes the archive. */
export async function exportPerson(at: StepPlace, id: string): Promise<void> {
  for (const section of EXPORT_SECTIONS) {
    let after: string | null = null
    for (let part = 0; part === 0 || after !== null; part++) {
      const from: Parameters<typeof exportPage>[2] = { section, part, after }
      after = await durableStep(at, `${section} ${part}`, (ctx) => exportPage(ctx, id, from))
    }
  }
  await durableStep(at, 'archive', (ctx) => finishExport(ctx, id))
}
