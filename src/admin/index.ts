export { runJobs } from './jobs.ts'
