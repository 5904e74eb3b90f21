export { sessionsApp, signInApp } from './routes.ts'
export { requireSession, sessionEnded } from './sessions.ts'
export { publicKeys, readAccessToken } from './tokens.ts'
