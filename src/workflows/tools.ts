import { z } from 'zod'
import { AppError, defineTool, s, type Tool } from '#core'
import { draftWorkflow } from './draft.ts'
import { listWorkflows } from './read.ts'
import { NewWorkflow, type WorkflowWhole } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

const MAX_LISTED = 20
let made: Tool[] | undefined

// What it was asked to save, the model knows.
const savedOf = ({ definition: _, ...workflow }: WorkflowWhole) => workflow

/** What the assistant may do about workflows; their schemas are made when they are first asked for. */
export function workflowTools(): Tool[] {
  made ??= [
    defineTool({
      name: 'list_workflows',
      description: 'The workflows of the user, newest first: what each does, and whether it is on.',
      input: z.strictObject({}),
      readOnly: true,
      run: async (ctx) => {
        const { items, nextCursor } = await listWorkflows(ctx, { limit: MAX_LISTED })
        const workflows = items.map(({ id, name, description, status }) => ({ id, name, description, status }))
        return { output: { workflows, more: nextCursor !== null } }
      },
    }),
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
      description: 'Save the `workflow` of draft_workflow, as it is, once it was shown to the user.',
      // Its own schema is half of what all tools say of themselves, and each question would pay for it.
      input: z.strictObject({ workflow: z.record(s.line(100), z.unknown()) }),
      // Saved, it goes on by itself: the person says yes to what they were shown.
      destructive: true,
      byHand: 'POST /v1/workflows',
      run: async (ctx, { workflow }) => {
        const read = NewWorkflow().safeParse(workflow)
        if (read.success) return { output: savedOf(await createWorkflow(ctx, read.data)) }
        const [issue] = read.error.issues
        throw new AppError('invalid_request', `workflow/${issue?.path.join('/')}: ${issue?.message}`.slice(0, 500))
      },
    }),
  ]
  return made
}
