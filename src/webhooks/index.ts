export { pruneDeliveries } from './deliveries.ts'
export { webhooksSealed } from './sealed.ts'
export { sendDue } from './send.ts'
export { webhookSubscriber } from './subscriber.ts'
