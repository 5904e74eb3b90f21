import { and, type Column, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { containing, iso } from './shape.ts'

const MAX_TITLE = 120
const MAX_EXCERPT = 200
const BEFORE = 60

/** What is looked for: words that all occur, in any letter case. */
export type Sought = { words: string[]; limit: number }
/** One thing that was found: its title, and what stands around the first word in the rest of it. */
export type Found = {
  area: string
  id: string
  title: string
  excerpt: string
  inTitle: boolean
  updatedAt: string
  tainted: boolean
}

type Text = SQL | Column
type Findable = {
  area: string
  from: PgTable | SQL
  id: Text
  title: Text
  body: Text
  updatedAt: Text
  tainted: Text
  where: SQL | undefined
}

export const wordsOf = (text: string): string[] => [...new Set(text.split(/\s+/).filter((word) => word !== ''))]

/** Whether each of the words occurs in one of these texts, in any letter case. */
export const saysAll = (words: string[], ...texts: Text[]): SQL | undefined =>
  and(...words.map((word) => sql`concat_ws(' ', ${sql.join(texts, sql`, `)}) ilike ${containing(word)}`))

/** The rows of one kind that say it, for a union over kinds: what says it in its title first, then the newest. */
export function finding(kind: Findable, { words, limit }: Sought): SQL {
  const { area, from, id, title, body, updatedAt, tainted, where } = kind
  const at = sql`greatest(1, strpos(lower(${body}), lower(${words[0] ?? ''}::text)) - ${BEFORE}::int)`
  const excerpt = sql`coalesce(substr(${body}, ${at}, ${MAX_EXCERPT}::int), '')`
  const inTitle = sql`coalesce(${saysAll(words, title) ?? sql`true`}, false)`
  return sql`(select ${area}::text as area, ${id} as id, left(${title}, ${MAX_TITLE}::int) as title, ${excerpt} as excerpt,
    ${inTitle} as "inTitle", ${iso(updatedAt)} as "updatedAt", ${tainted} as tainted
    from ${from} where ${and(where, saysAll(words, title, body))}
    order by "inTitle" desc, "updatedAt" desc, id desc limit ${limit}::int)`
}
