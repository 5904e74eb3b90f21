import { AppError, type Ctx, inTime } from '#core'

type FilesCtx = Pick<Ctx, 'env'>

const OPEN_MS = 8000

/** Everything of a person's in R2 begins so. */
export const folderOf = (userId: string) => `exports/${userId}/`

/** The names of all objects under a prefix, a page at a time: no page is kept. */
export async function* objectsUnder({ env }: FilesCtx, prefix: string): AsyncGenerator<R2Object[]> {
  let cursor: string | undefined
  do {
    const page = await env.FILES.list({ prefix, ...(cursor !== undefined && { cursor }) })
    if (page.objects.length > 0) yield page.objects
    cursor = page.truncated ? page.cursor : undefined
  } while (cursor !== undefined)
}

/** One of them; `unavailable` where R2 does not say. */
export async function openFile({ env }: FilesCtx, key: string): Promise<R2ObjectBody | null> {
  try {
    return await inTime(OPEN_MS, () => env.FILES.get(key))
  } catch (cause) {
    throw new AppError('unavailable', 'The file cannot be read now; try again', { cause, retryAfterS: 5 })
  }
}

/** Deletes all objects under a prefix. */
export async function dropUnder(ctx: FilesCtx, prefix: string): Promise<void> {
  for await (const objects of objectsUnder(ctx, prefix)) await ctx.env.FILES.delete(objects.map(({ key }) => key))
}

export async function eraseFiles(ctx: FilesCtx, userId: string): Promise<void> {
  await dropUnder(ctx, folderOf(userId))
}

export async function countFiles(ctx: FilesCtx, userId: string): Promise<number> {
  let count = 0
  for await (const objects of objectsUnder(ctx, folderOf(userId))) count += objects.length
  return count
}
