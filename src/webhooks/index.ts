export { pruneDeliveries } from './deliveries.ts'
export { sendDue } from './send.ts'
export { webhookSubscriber } from './subscriber.ts'
