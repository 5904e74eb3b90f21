import type { SealedColumn } from '#security'
import { mcpServers, oauthStates } from './tables.ts'

const of = { table: mcpServers, id: mcpServers.id, userId: mcpServers.userId }

/** What is sealed of people's MCP servers. */
export const mcpSealed: SealedColumn[] = [
  { ...of, column: mcpServers.secret },
  { ...of, column: mcpServers.clientSecret },
  { ...of, column: mcpServers.accessToken },
  { ...of, column: mcpServers.refreshToken },
  { table: oauthStates, column: oauthStates.sealed, id: oauthStates.hash, userId: oauthStates.userId },
]
