import { type Column, type SQL, sql } from 'drizzle-orm'

/** Whether this person shows a second factor when they sign in; nobody can have one yet. */
export function secondFactorOf(_userId: Column | SQL.Aliased): SQL<boolean> {
  return sql<boolean>`false`
}
