export { emailSubscriber, pruneMail } from './deliver.ts'
export { mailHealth } from './provider.ts'
export { mailSealed } from './sealed.ts'
export { sendMail } from './send.ts'
