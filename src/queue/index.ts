export { consume, type Subscriber } from './consume.ts'
export { cutOff } from './cut-off.ts'
export { keepDeadLetters } from './dead-letters.ts'
export { happenedSince, kick, pruneQueueTables, relay, tell } from './outbox.ts'
