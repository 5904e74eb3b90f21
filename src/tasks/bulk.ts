import { completeTasks } from './complete.ts'
import { createTasks } from './create.ts'
import type { CreateCtx } from './row.ts'
import type { Bulk, BulkResult } from './schema.ts'
import { updateTasks } from './update.ts'

/** Up to a hundred of one kind, all or none: one that cannot be done refuses all, and every such one is pointed at. One trip. */
export async function bulk(ctx: CreateCtx, input: Bulk): Promise<BulkResult> {
  switch (input.action) {
    case 'create': {
      const made = await createTasks(ctx, input.items, (n, field) => `/items/${n}/${field}`)
      return { items: made.map((task) => ({ task, next: null })) }
    }
    case 'update': {
      const changes = await updateTasks(ctx, input.items, (n, field) => `/items/${n}/${inPatch(field)}`)
      return { items: changes.map(({ after }) => ({ task: after, next: null })) }
    }
    case 'complete': {
      const done = await completeTasks(ctx, input.ids, (n) => `/ids/${n}`)
      return { items: done.map(({ task, next }) => ({ task, next })) }
    }
  }
}

function inPatch(field: string): string {
  return field === 'id' || field === 'version' ? field : `patch/${field}`
}
