export { resealSecrets } from './reseal.ts'
export { integrationsApp } from './routes.ts'
export { type ServerRow, serversForTurn } from './servers.ts'
export { remoteTools } from './tools.ts'
