export { sessionsApp, signInApp } from './routes.ts'
export { pruneSessions, requireSession, sessionEnded } from './sessions.ts'
export { publicKeys, readAccessToken } from './tokens.ts'
