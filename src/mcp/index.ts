export { toRpcProblem } from './rpc.ts'
