export { sessionsApp, signInApp } from './routes.ts'
export { sessionEnded } from './sessions.ts'
export { publicKeys, readAccessToken } from './tokens.ts'
