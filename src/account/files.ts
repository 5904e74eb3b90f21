import { AppError, type Ctx, inTime } from '#core'

type FilesCtx = Pick<Ctx, 'env'>

const OPEN_MS = 8000

/** So many bytes from there on. */
export type Part = { offset: number; length: number }

/** What `Range` asks for of so many bytes; undefined: the whole, as for any range but one with a beginning that is there. */
export function partOf(range: string | undefined, size: number): Part | undefined {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(range ?? '') ?? []
  const offset = Number(from)
  const end = Math.min(size, to === undefined ? size : Number(to) + 1)
  return from !== undefined && offset < end ? { offset, length: end - offset } : undefined
}

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

/** One of them, or a part of it; `unavailable` where R2 does not say. */
export async function openFile({ env }: FilesCtx, key: string, range?: Part): Promise<R2ObjectBody | null> {
  try {
    return await inTime(OPEN_MS, () => env.FILES.get(key, range && { range }))
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
