export { describeProvider, type GatewayEvent, generate, type Receipt } from './gateway.ts'
export type { ModelMessage, ModelTool, PersonFacts, ToolCall } from './model.ts'
