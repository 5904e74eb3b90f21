import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, defineTool, s, type Tool, type UserCtx } from '#core'
import { type Found, wordsOf } from '#database'
import { findOne, kindsFor, SEARCHABLE, uriOf } from './resources.ts'

type Area = (typeof SEARCHABLE)[number]
const MAX_FOUND = 20
const MAX_ID = 80
/** Each is looked for in every text there is. */
const MAX_WORDS = 8

const Query = z.strictObject({
  query: s
    .text(200, 1)
    .regex(/\S/, 'must say something')
    .refine((query) => wordsOf(query).length <= MAX_WORDS, `must be ${MAX_WORDS} words at most`),
  kinds: s.list(z.enum(SEARCHABLE), SEARCHABLE.length, 1).optional(),
  limit: s.int(1, MAX_FOUND).default(MAX_FOUND),
})

/** What says all of the words, of the kinds that whoever asks may read, the best of each kind in turn. One trip. */
async function search(ctx: UserCtx, { query, kinds, limit }: z.infer<typeof Query>) {
  const asked = kindsFor(ctx).filter(({ area }) => kinds?.includes(area) ?? true)
  if (asked.length === 0) throw new AppError('forbidden', 'Nothing of these kinds may be read with this token')
  const sought = { words: wordsOf(query), limit: limit + 1 }
  const all = asked.map((kind) => kind.saying(ctx, sought))
  const { rows } = await ctx.db.execute<Found & { area: Area }>(sql.join(all, sql` union all `))
  const found = asked.map(({ area }) => rows.filter((row) => row.area === area).sort(inOrder))
  // The first of each, then the second: many of one kind hide no other.
  const inTurn = Array.from({ length: limit + 1 }, (_, n) => found.flatMap((rows) => rows[n] ?? [])).flat()
  const results = inTurn.slice(0, limit).map(({ area, id, title, excerpt, updatedAt, tainted }) => {
    const uri = uriOf({ area }, id)
    return { kind: area, id, uri, title, excerpt, updatedAt, tainted }
  })
  return { results, more: inTurn.length > limit, searched: asked.map(({ area }) => area) }
}

// As each part was asked for: a union promises no order.
const inOrder = (one: Found, other: Found) =>
  Number(other.inTitle) - Number(one.inTitle) || other.updatedAt.localeCompare(one.updatedAt)

/** What a host finds things by, over all of the kinds; each kind asks for its own scope. */
export const searchTools: Tool[] = [
  defineTool({
    name: 'search',
    description:
      "Everything of the user's that says all of these words: tasks, projects, the calendar, conversations, memories and" +
      ' suggestions, done and past ones too. Give one or two words as the user would write them; parts of words are found; more' +
      ` than ${MAX_WORDS} are refused. \`fetch\` gives one of the results whole, but of a conversation the first fifty messages: a` +
      ' result is found by the newest message that says the words, and `read_conversation` reads on to it.',
    input: Query,
    readOnly: true,
    run: async (ctx, input) => ({ output: await search(ctx, input) }),
  }),
  defineTool({
    name: 'fetch',
    description:
      'One thing whole, by the id or the uri that `search` or another tool gave. Of a conversation the first fifty messages:' +
      ' `read_conversation` with its nextCursor as cursor reads on.',
    input: z.strictObject({ id: z.string().min(1).max(MAX_ID) }),
    readOnly: true,
    run: async (ctx, { id }) => {
      const found = await findOne(ctx, id)
      if (!found) throw new AppError('not_found', `There is no ${id}`)
      return { output: found }
    },
  }),
]
