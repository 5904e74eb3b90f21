export { consume, type Subscriber } from './consume.ts'
export { cutOff, cutOffPerson } from './cut-off.ts'
export { keepDeadLetters } from './dead-letters.ts'
export { forgetEvents, kick, pruneQueueTables, relay, tell } from './outbox.ts'
