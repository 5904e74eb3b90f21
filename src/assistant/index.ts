export { closeLostTurns, closeTurn } from './close.ts'
export { conversationTools, readConversation } from './conversation-tools.ts'
export { conversationsSaying, listConversations } from './conversations.ts'
export { heardSubscriber } from './heard.ts'
export {
  beginTurn,
  dropTurn,
  endTurn,
  findTurn,
  partsFromEvents,
  runningTurns,
  TURN_MIGRATIONS,
  type TurnRow,
} from './live.ts'
export { type OpenedTurn, openTurn, type TurnRequest } from './open.ts'
export { converse, type Passage, type PassageEvent } from './passage.ts'
export { askCarrier, askScheduled } from './scheduled.ts'
export { type Message, Part } from './schema.ts'
export { standingTools, toModelTool } from './tools.ts'
export { runTurn, type TurnResult } from './turn.ts'
