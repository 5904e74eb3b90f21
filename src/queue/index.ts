export { consume, keepDeadLetters, redrive, type Subscriber } from './consume.ts'
export { kick, pruneQueueTables, relay, tell } from './outbox.ts'
