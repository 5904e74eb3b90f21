export { consume, type Subscriber } from './consume.ts'
export { keepDeadLetters } from './dead-letters.ts'
export { kick, pruneQueueTables, relay, tell } from './outbox.ts'
export { queueApp } from './routes.ts'
