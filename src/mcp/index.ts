export { mcpApp } from './routes.ts'
export { toRpcProblem } from './rpc.ts'
