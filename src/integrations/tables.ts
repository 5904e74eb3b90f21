import { boolean, index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** A tool of another's server, as it was last told; `name` is theirs. */
export type KnownTool = { name: string; description: string; readOnly: boolean; inputSchema: Record<string, unknown> }

/** An MCP server a person added. `secret` is sealed; `tools` is what it offered when it was last asked, null before. */
export const mcpServers = pgTable(
  'mcp_servers',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text().notNull(),
    url: text().notNull(),
    header: text(),
    secret: text(),
    enabled: boolean().notNull().default(true),
    status: text({ enum: ['new', 'ok', 'broken'] })
      .notNull()
      .default('new'),
    lastError: text('last_error'),
    tools: jsonb().$type<KnownTool[]>(),
    checkedAt: at('checked_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('mcp_servers_user').on(t.userId, t.id)],
)
