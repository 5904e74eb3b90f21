export { countGrants, revokeGrants, type ServerRow } from './access.ts'
export { pruneOauthStates } from './connect.ts'
export { mcpSealed } from './sealed.ts'
/** @public A test of another room adds a server. */
export { addServer, checkServer, removeServers, serversForTurn } from './servers.ts'
export { mcpTools, remoteTools } from './tools.ts'
