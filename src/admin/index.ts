export { runCron } from './cron.ts'
