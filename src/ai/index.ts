export { describeProvider, type GatewayEvent, generate, type Receipt } from './gateway.ts'
export type { ModelMessage, ModelRequest, ModelTool, PersonFacts, ToolCall, ToolResult } from './model.ts'
