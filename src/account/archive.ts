import { createHash } from 'node:crypto'
import type { ZipDeflate } from 'fflate'
import type { Ctx } from '#core'
import { objectsUnder } from './files.ts'
import { zonesIn } from './icalendar-zones.ts'
import { type Form, SECTIONS } from './sections.ts'

// R2 wants the parts of an upload of one size, five MiB at least, but for the last.
const UPLOAD_BYTES = 8 * 1024 * 1024
/** Of the manifest and of what the files look like: JSON by file, keys in camelCase, instants as RFC 3339. */
const VERSION = 1

type ArchiveCtx = Pick<Ctx, 'env' | 'now'>
type Written = { name: string; items: number; bytes: number; sha256: string }

export const partsOf = (folder: string, file = '') => `${folder}parts/${file}${file && '/'}`
export const archiveOf = (folder: string) => `${folder}archive.zip`

/** Keeps a page of a file; again, it is the same object. */
export async function putPart({ env }: ArchiveCtx, folder: string, form: Form, part: number, items: string[]) {
  const key = `${partsOf(folder, form.file)}${String(part).padStart(6, '0')}`
  await env.FILES.put(key, items.join(form.between), { customMetadata: { items: String(items.length) } })
}

/** Puts all parts of all files into one archive, of which never more than a piece is in memory; answers its size. */
export async function writeArchive(ctx: ArchiveCtx, folder: string, about: Record<string, unknown>): Promise<number> {
  const { Zip, ZipDeflate } = await import('fflate')
  const upload = await openUpload(ctx, archiveOf(folder))
  try {
    const zip = new Zip((error, chunk) => {
      if (error) throw error
      upload.write(chunk)
    })
    const add = (name: string) => {
      const entry = new ZipDeflate(name, { level: 6 })
      entry.mtime = ctx.now()
      zip.add(entry)
      return entry
    }
    const files: Written[] = []
    for (const form of SECTIONS.flatMap(({ forms }) => forms)) {
      files.push(await writeFile(ctx, folder, form, add(form.file), upload))
    }
    const manifest = { format: 'aurelius-export', version: VERSION, ...about, files }
    add('manifest.json').push(new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`), true)
    zip.end()
    return await upload.close()
  } catch (error) {
    await upload.abort()
    throw error
  }
}

type Upload = Awaited<ReturnType<typeof openUpload>>

async function writeFile(ctx: ArchiveCtx, folder: string, form: Form, entry: ZipDeflate, upload: Upload) {
  const hash = createHash('sha256')
  const written: Written = { name: form.file, items: 0, bytes: 0, sha256: '' }
  const push = async (bytes: Uint8Array, isLast = false) => {
    hash.update(bytes)
    written.bytes += bytes.length
    entry.push(bytes, isLast)
    await upload.flush()
  }
  const say = (text: string, isLast?: boolean) => push(new TextEncoder().encode(text), isLast)
  const zones = new Set<string>()
  await say(form.open)
  for await (const objects of objectsUnder(ctx, partsOf(folder, form.file))) {
    for (const { key } of objects) {
      const part = await ctx.env.FILES.get(key)
      const items = Number(part?.customMetadata?.['items'])
      if (!part || items === 0) continue
      if (written.items > 0) await say(form.between)
      const bytes = new Uint8Array(await part.arrayBuffer())
      if (form.zone) for (const name of zonesIn(new TextDecoder().decode(bytes))) zones.add(name)
      await push(bytes)
      written.items += items
    }
  }
  for (const name of [...zones].toSorted()) await say(form.zone?.(name) ?? '')
  await say(form.close, true)
  return { ...written, sha256: hash.digest('hex') }
}

/** An object written piece by piece. */
async function openUpload({ env }: ArchiveCtx, key: string) {
  const upload = await env.FILES.createMultipartUpload(key, { httpMetadata: { contentType: 'application/zip' } })
  const parts: R2UploadedPart[] = []
  let waiting: Uint8Array[] = []
  let size = 0
  let total = 0
  const joined = () => {
    const whole = new Uint8Array(size)
    let at = 0
    for (const chunk of waiting) {
      whole.set(chunk, at)
      at += chunk.length
    }
    return whole
  }
  const send = async (bytes: Uint8Array) => void parts.push(await upload.uploadPart(parts.length + 1, bytes))
  return {
    write(chunk: Uint8Array): void {
      waiting.push(chunk)
      size += chunk.length
      total += chunk.length
    },
    async flush(): Promise<void> {
      if (size < UPLOAD_BYTES) return
      const whole = joined()
      let at = 0
      for (; whole.length - at >= UPLOAD_BYTES; at += UPLOAD_BYTES) await send(whole.subarray(at, at + UPLOAD_BYTES))
      waiting = [whole.subarray(at)]
      size = whole.length - at
    },
    async close(): Promise<number> {
      await this.flush()
      if (size > 0) await send(joined())
      await upload.complete(parts)
      return total
    },
    abort: () => upload.abort(),
  }
}
