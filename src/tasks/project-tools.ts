import { z } from 'zod'
import { defineTool, s, type Tool, type Undo } from '#core'
import { archiveProject, createProject, deleteProject, listProjects, projectState } from './projects.ts'
import { NewProject } from './schema.ts'

const MAX_LISTED = 100
const projectId = z.strictObject({ id: s.id('prj') })

// Put away rather than deleted: tasks may have been put into it since.
const undoCreate = ({ id, name }: { id: string; name: string }): Undo => {
  return { tool: 'archive_project', input: { id, archived: true }, says: `Archived “${name}”` }
}
const undoArchive = ({ id, name }: { id: string; name: string }, archived: boolean): Undo => {
  const says = archived ? `“${name}” is back` : `Archived “${name}”`
  return { tool: 'archive_project', input: { id, archived: !archived }, says }
}

export const projectTools: Tool[] = [
  defineTool({
    name: 'create_project',
    description: 'Make a project that tasks can be put into.',
    input: NewProject,
    run: async (ctx, input) => ({ output: await createProject(ctx, input) }),
    state: (ctx, _, newId) => projectState(ctx, newId('prj')),
    plan: (input, _, newId) => {
      const id = newId('prj')
      const changes = [{ target: id, before: null, after: input }]
      return { says: `Create the project “${input.name}”`, changes, undo: undoCreate({ id, name: input.name }) }
    },
  }),
  defineTool({
    name: 'list_projects',
    description: "The user's projects in their order, archived ones only when asked for.",
    input: z.strictObject({ archived: z.boolean().default(false) }),
    readOnly: true,
    run: async (ctx, { archived }) => {
      const { items } = await listProjects(ctx, { limit: MAX_LISTED, archived })
      return { output: { items } }
    },
  }),
  defineTool({
    name: 'archive_project',
    description: 'Put a project away, or with archived false back. Its tasks stay in it.',
    input: projectId.extend({ archived: z.boolean().default(true) }),
    run: async (ctx, { id, archived }) => {
      const { project, before } = await archiveProject(ctx, id, archived)
      return { output: project, before }
    },
    state: (ctx, { id }) => projectState(ctx, id),
    plan: ({ id, archived }, before) => ({
      says: `${archived ? 'Put away' : 'Bring back'} ${before ? `“${before.name}”` : 'a project'}`,
      changes: [{ target: id, before: before && { archivedAt: before.archivedAt }, after: { archived } }],
      // What was so already is not changed, and nothing takes that back.
      undo: before && (before.archivedAt !== null) !== archived ? undoArchive(before, archived) : null,
    }),
  }),
  defineTool({
    name: 'delete_project',
    description: 'Delete a project for good. Its tasks stay, in no project. This cannot be taken back.',
    input: projectId,
    destructive: true,
    run: async (ctx, { id }) => {
      const before = await deleteProject(ctx, id)
      return { output: { id, name: before.name }, before }
    },
    state: (ctx, { id }) => projectState(ctx, id),
    plan: ({ id }, before) => ({
      says: `Delete ${before ? `“${before.name}”` : 'a project'} for good`,
      changes: [{ target: id, before, after: null }],
      undo: null,
    }),
  }),
]
