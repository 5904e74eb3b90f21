import { embed } from '#ai'
import { describeError, type UserCtx } from '#core'
import { vectorStore } from '#search'
import { MEANING_ALIKE } from './alike.ts'

export type MeaningCtx = Pick<UserCtx, 'actor' | 'config' | 'db' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>

const KIND = 'suggestion'
const NEAR = 5

// A title is compared with titles: never with what another model made of them.
async function meaningOf(ctx: MeaningCtx, title: string) {
  const { embeddings } = ctx.config.ai
  if (!embeddings) return null
  const store = await vectorStore(ctx)
  if (!store) return null
  const made = await embed(ctx, { texts: [title], feature: 'proactivity', background: true })
  const vector = made.ok ? made.vectors[0] : undefined
  return vector ? { store, vector, space: embeddings.model.name } : null
}

/** The dismissed ones that mean nearly this; none where nothing can tell. */
export async function findAlike(ctx: MeaningCtx, title: string): Promise<string[]> {
  try {
    const meaning = await meaningOf(ctx, title)
    if (!meaning) return []
    const { store, vector, space } = meaning
    const found = await store.query({ kind: KIND, space, vector, limit: NEAR, minScore: MEANING_ALIKE })
    return found.map(({ id }) => id)
  } catch (error) {
    // Words were compared already: a model that is away silences nothing.
    ctx.log.warn('suggestion.meaning_away', describeError(error))
    return []
  }
}

/** Keeps what a dismissed one means, for the next that is like it. */
export async function keepMeaning(ctx: MeaningCtx, id: string, title: string): Promise<void> {
  const meaning = await meaningOf(ctx, title)
  if (meaning) await meaning.store.upsert([{ kind: KIND, id, space: meaning.space, vector: meaning.vector }])
}
