/** @public What rooms above ask: runs of workflows, the assistant. */
export { autonomyOf, decideAutonomy } from './autonomy.ts'
/** @public */
export type { Autonomy, AutonomyRule } from './autonomy-schema.ts'
/** @public */
export { settleSuggestion } from './decide.ts'
/** @public */
export { type Gate, type GateAsk, gate } from './gate.ts'
export { LEARNING_MIGRATIONS, type LearningAsk, learning } from './learning.ts'
export { listSuggestions } from './list.ts'
export { readSuggestion } from './move.ts'
/** @public */
export { propose } from './propose.ts'
export { TURN_APPROVAL } from './reasons.ts'
/** @public */
export { suggestionDecided } from './row.ts'
/** @public */
export type { ActionOffer, NewSuggestion, Suggestion, Why, WithheldReason } from './schema.ts'
export { suggestionSubscriber, suggestionTimers } from './subscriber.ts'
export { pruneSuggestions, sweepApproved, sweepSuggestions, wakeSuggestion } from './wake.ts'
