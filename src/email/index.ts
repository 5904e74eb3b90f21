export { emailSubscriber, pruneMail } from './deliver.ts'
export { mailHealth } from './provider.ts'
export { mailSealed } from './sealed.ts'
export { type DataOf, type MailKind, sendLetter, sendMail } from './send.ts'
