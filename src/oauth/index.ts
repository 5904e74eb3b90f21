export { pruneOauth } from './grants.ts'
export { challengeAt } from './metadata.ts'
export { grantsApp, OAUTH_ROUTES, oauthApp, oauthMethods } from './routes.ts'
