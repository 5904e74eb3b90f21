import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { archiveProject, createProject, deleteProject, listProjects } from './projects.ts'
import { NewProject } from './schema.ts'

const MAX_LISTED = 100
const projectId = z.strictObject({ id: s.id('prj') })

export const projectTools: Tool[] = [
  defineTool({
    name: 'create_project',
    description: 'Make a project that tasks can be put into.',
    input: NewProject,
    run: async (ctx, input) => {
      const project = await createProject(ctx, input)
      return {
        output: project,
        // Put away rather than deleted: tasks may have been put into it since.
        undo: {
          tool: 'archive_project',
          input: { id: project.id, archived: true },
          says: `Archived “${project.name}”`,
        },
      }
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
      const project = await archiveProject(ctx, id, archived)
      const says = archived ? `“${project.name}” is back` : `Archived “${project.name}”`
      return { output: project, undo: { tool: 'archive_project', input: { id, archived: !archived }, says } }
    },
  }),
  defineTool({
    name: 'delete_project',
    description: 'Delete a project for good. Its tasks stay, in no project. This cannot be taken back.',
    input: projectId,
    destructive: true,
    run: async (ctx, { id }) => {
      const { name } = await deleteProject(ctx, id)
      return { output: { id, name } }
    },
  }),
]
