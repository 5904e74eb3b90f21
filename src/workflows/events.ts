import { defineEvent } from '#core'
import { Workflow } from './workflow-schema.ts'

export const workflowCreated = defineEvent('workflow.created', 'workflows', Workflow)
export const workflowUpdated = defineEvent('workflow.updated', 'workflows', Workflow)
export const workflowDeleted = defineEvent('workflow.deleted', 'workflows', Workflow)
