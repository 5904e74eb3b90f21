export { emptyWorkflowBin } from './workflows.ts'
