import { catalogueOf } from '#ai'
import { requireSession } from '#auth'
import { AppError, type UserCtx } from '#core'
import { ASSISTANT } from './ask.ts'

// No day is known on which a model began to be offered here; clients want one.
const SINCE = '2026-01-01T00:00:00Z'
const SINCE_S = 1_767_225_600
const PAGE = 20
const MAX_PAGE = 1000

type Shown = { id: string; owner: string; contextTokens: number | null; maxOutputTokens: number | null }
const UNBOUNDED = { contextTokens: null, maxOutputTokens: null }
type ModelsCtx = Pick<UserCtx, 'config' | 'db' | 'actor'>

/** The assistant, then all that can be called by name. One trip, that asks for the session. */
async function offered(ctx: ModelsCtx): Promise<Shown[]> {
  await requireSession(ctx)
  const named = catalogueOf(ctx.config).map(({ name, provider, contextTokens, maxOutputTokens }) => {
    return { id: name, owner: provider, contextTokens, maxOutputTokens }
  })
  const { embeddings, transcription } = ctx.config.ai
  const others = [embeddings, transcription].flatMap((one) => one ?? [])
  const unbounded = others.map(({ provider, model: { name } }) => ({ ...UNBOUNDED, id: name, owner: provider }))
  return [{ ...UNBOUNDED, id: ASSISTANT, owner: 'aurelius' }, ...named, ...unbounded]
}

async function one(ctx: ModelsCtx, id: string): Promise<Shown> {
  const found = (await offered(ctx)).find((model) => model.id === id)
  if (!found) throw new AppError('not_found', `The model ${id.slice(0, 200)} does not exist`)
  return found
}

const toOpenai = ({ id, owner }: Shown) => ({ id, object: 'model', created: SINCE_S, owned_by: owner })
const toAnthropic = ({ id, contextTokens, maxOutputTokens }: Shown) => ({
  type: 'model',
  id,
  display_name: id,
  created_at: SINCE,
  max_input_tokens: contextTokens,
  max_tokens: maxOutputTokens,
})

export async function openaiModels(ctx: ModelsCtx) {
  return { object: 'list', data: (await offered(ctx)).map(toOpenai) }
}

export async function openaiModel(ctx: ModelsCtx, id: string) {
  return toOpenai(await one(ctx, id))
}

type Paging = { limit: string | undefined; after: string | undefined; before: string | undefined }

/** A page: those after the one named, or before it. */
export async function anthropicModels(ctx: ModelsCtx, { limit, after, before }: Paging) {
  const all = await offered(ctx)
  const count = Math.min(Math.max(Math.trunc(Number(limit)) || PAGE, 1), MAX_PAGE)
  const place = (id: string | undefined) => (id === undefined ? -1 : all.findIndex((model) => model.id === id))
  const [from, to] = [place(after) + 1, place(before)]
  const left = to < 0 ? all.slice(from) : all.slice(from, to)
  const page = to < 0 ? left.slice(0, count) : left.slice(-count)
  return {
    data: page.map(toAnthropic),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: page.length < left.length,
  }
}

export async function anthropicModel(ctx: ModelsCtx, id: string) {
  return toAnthropic(await one(ctx, id))
}
