export { runDue, sweepTriggers } from './due.ts'
export { triggerSubscriber } from './react.ts'
export { workflowsSealed } from './sealed.ts'
export { emptyWorkflowBin } from './workflows.ts'
