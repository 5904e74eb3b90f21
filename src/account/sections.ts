import { sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { CLAIMS, type Claim, rowsOf } from './claims.ts'
import { CALENDAR, toVtodo } from './icalendar.ts'
import { toVevents } from './icalendar-events.ts'
import { toVtimezone } from './icalendar-zones.ts'

const PAGE = 200

/** One thing of a person's, as its file has it. */
export type Item = Record<string, unknown>
/** `after`: where the next page begins; null: there is none. */
export type Page = { items: Item[]; after: string | null }
/** A file of the archive; what `write` answers empty is not in it. */
export type Form = {
  file: string
  open: string
  between: string
  close: string
  /** What comes before `close`, of zones that were named. */
  zone?: (name: string) => string
  write(item: Item): string
}
/** One kind of thing, read a page at a time, and the files it is written to. */
export type Section = {
  name: string
  forms: Form[]
  page(ctx: Pick<Ctx, 'db' | 'env'>, userId: string, after: string | null): Promise<Page>
}

const json = (name: string): Form => ({
  file: `${name}.json`,
  open: '[\n',
  between: ',\n',
  close: '\n]\n',
  write: (item) => JSON.stringify(item),
})
const calendar: Form = { file: 'tasks.ics', ...CALENDAR, between: '', write: toVtodo }
const events: Form = { file: 'calendar_events.ics', ...CALENDAR, between: '', zone: toVtimezone, write: toVevents }
const markdown: Form = {
  file: 'memories.md',
  open: '# Memories\n\n',
  between: '',
  close: '',
  // What begins a list item, a heading or a link in Markdown is taken as it was said.
  write: ({ kind, text, createdAt, deletedAt }) =>
    deletedAt
      ? ''
      : `- ${String(text)
          .replace(/[\\`*_{}[\]<>#|~]/g, '\\$&')
          .replace(/\s*\n\s*/g, '\n  ')} (${String(kind)}, ${String(createdAt).slice(0, 10)})\n`,
}
const MORE: Record<string, Form> = { tasks: calendar, calendar_events: events, memories: markdown }

const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

function tableSection(
  table: string,
  claim: Claim,
  { file, omit = [], by, also = sql`'{}'::jsonb` }: NonNullable<Claim['shown']>,
): Section {
  const more = MORE[file]
  const key = sql`t.${sql.identifier(by ?? 'id')}`
  const first = by === undefined ? '' : '0'
  return {
    name: file,
    forms: [json(file), ...(more ? [more] : [])],
    async page({ db }, userId, after) {
      const { rows } = await db.execute<{ item: Item; id: string }>(sql`
        select to_jsonb(t) - string_to_array(${omit.join()}, ',') || ${also} as item, ${key}::text as id
        from ${rowsOf(table, claim, userId)} and ${key} > ${after ?? first} order by ${key} limit ${PAGE + 1}::int`)
      const items = rows
        .slice(0, PAGE)
        .map(({ item }) => Object.fromEntries(Object.entries(item).map(([name, value]) => [camel(name), value])))
      return { items, after: rows.length > PAGE ? (rows[PAGE - 1]?.id ?? null) : null }
    },
  }
}

// Limits and plan are kept where they are kept to; what was spent a moment ago waits there too.
const budget: Section = {
  name: 'ai-budget',
  forms: [json('ai-budget')],
  async page({ env }, userId) {
    const steward = env.STEWARD.getByName(userId)
    const flushed = await steward.flushUsage()
    if (!flushed.ok) throw new Error('the ledger does not take what was spent')
    return { items: [{ ...(await steward.budget()) }], after: null }
  },
}

const learned: Section = {
  name: 'learning',
  forms: [json('learning')],
  async page({ env }, userId) {
    const { lines } = await env.STEWARD.getByName(userId).learning({ do: 'show' })
    return { items: lines, after: null }
  },
}

/** Everything a person is given of theirs. */
export const SECTIONS: readonly Section[] = [
  budget,
  learned,
  ...Object.entries(CLAIMS).flatMap(([table, claim]) => (claim.shown ? [tableSection(table, claim, claim.shown)] : [])),
]
