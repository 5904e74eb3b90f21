export { runJobs } from './jobs.ts'
export { adminApp } from './routes.ts'
