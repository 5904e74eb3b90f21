import { type Column, SQL, StringChunk, sql } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'

type Source = SQL | Column | SQL.Aliased

/** The columns of a table, or of a CTE that returns its rows. */
export type ColumnsOf<T extends { $inferSelect: object }> = { [K in keyof T['$inferSelect']]: Column }

/** A timestamptz as RFC 3339 UTC with milliseconds, the one form the API speaks. */
export function iso(at: Source): SQL<string | null> {
  return sql`to_char(${at} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}

/** One JSON object made by Postgres: the same chosen fields for the answer and for the event. */
export function jsonObject<T>(fields: Record<string, Source>): SQL<T> {
  const parts = Object.entries(fields).flatMap(([name, value]) => [sql`${name}`.inlineParams(), sql`${value}`])
  return sql`json_build_object(${sql.join(parts, sql`, `)})`
}

/** An expression without values, its text made once an isolate, for statements whose shape differs each time. */
export function written<T>(make: () => SQL<T>): () => SQL<T> {
  let made: SQL<T> | undefined
  return () => {
    made ??= new SQL([new StringChunk(new PgDialect().sqlToQuery(make()).sql)])
    return made
  }
}

/** LIKE with the person's own `%` and `_` taken literally. */
export function containing(value: string): string {
  return `%${value.replace(/[\\%_]/g, '\\$&')}%`
}
