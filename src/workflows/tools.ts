import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { draftWorkflow } from './draft.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

let made: Tool[] | undefined

/** What the assistant may do about workflows; their schemas are made when they are first asked for. */
export function workflowTools(): Tool[] {
  made ??= [
    defineTool({
      name: 'draft_workflow',
      description:
        'Draft a workflow from what the user wants, in their words: something done at times or when something happens. ' +
        'Nothing is saved. Tell the user what it `says` and when it runs next, or what was not understood; ' +
        'when they want it, call create_workflow with `workflow` as it is.',
      input: z.strictObject({ text: s.text(1000, 1) }),
      readOnly: true,
      run: async (ctx, input) => ({ output: await draftWorkflow(ctx, input) }),
    }),
    defineTool({
      name: 'create_workflow',
      description: 'Save a workflow that was drafted by draft_workflow and shown to the user.',
      input: NewWorkflow(),
      // Saved, it goes on by itself: the person says yes to what they were shown.
      destructive: true,
      run: async (ctx, input) => ({ output: await createWorkflow(ctx, input) }),
    }),
  ]
  return made
}
