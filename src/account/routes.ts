import { z } from '@hono/zod-openapi'
import { answer, body, createApp, etag, personRoute, publicRoute, s, versioned } from '#core'
import { recordAct } from '#database'
import { Me } from '#users'
import { cancelDeletion, getReceipt, scheduleDeletion } from './erase.ts'
import { getExport, listExports, openArchive, startExport } from './export.ts'
import { importItems } from './import.ts'
import { DataExport, DataExportPage, Deletion, Import, Imported, Receipt } from './schema.ts'

const tags = ['Me']

const deleteRoute = personRoute({
  method: 'delete',
  path: '/me',
  operationId: 'deleteMe',
  summary: 'Have this person and everything of theirs erased after the grace',
  description:
    'Needs a sign-in of the last five minutes. Nothing ends before the day; asked again, the first day stands.',
  tags,
  responses: { 202: answer(Deletion, 'Scheduled; a mail says so') },
})
const restoreRoute = personRoute({
  method: 'post',
  path: '/me/restore',
  operationId: 'restoreMe',
  summary: 'Stay: take back what DELETE /v1/me asked for',
  tags,
  responses: { 200: versioned(Me, 'The person, who stays') },
})
const receiptRoute = publicRoute(
  {
    method: 'get',
    path: '/erasure-receipts/{id}',
    operationId: 'getErasureReceipt',
    summary: 'That somebody was erased, signed',
    tags,
    request: { params: z.strictObject({ id: s.id('era') }) },
    responses: { 200: answer(Receipt, 'Who has the id of the person can tell that it is theirs; nobody else can') },
  },
  { problems: [404, 503, 504] },
)

const exportTags = ['Export']
const exportId = z.strictObject({ id: s.id('exp') })

const exportRoute = personRoute(
  {
    method: 'post',
    path: '/me/export',
    operationId: 'startExport',
    summary: 'Have a copy of everything made',
    description:
      'Needs a sign-in of the last five minutes. One archive: JSON by kind, tasks with a due date as iCalendar, memories as Markdown, and a manifest with counts and digests. A mail says when it is ready.',
    tags: exportTags,
    responses: { 202: answer(DataExport, 'It is being made') },
  },
  { limit: 'export' },
)
const importRoute = personRoute({
  method: 'post',
  path: '/me/import',
  operationId: 'importItems',
  summary: 'Take items of an archive back',
  description:
    'Needs a sign-in of the last five minutes. Up to a hundred items of one file, as they are in the archive: projects before tasks, tasks before their subtasks, conversations before messages, workflows before their versions, suggestions before their decisions, and commitments last. They get ids of their own, each time the same ones. Of suggestions what was decided comes, as history. Schedules and workflows come switched off. Name and preferences are for `PATCH /v1/me`; what was spent, sessions, keys and servers are not taken back, nor what ran.',
  tags: exportTags,
  request: { body: body(Import) },
  responses: { 200: answer(Imported, 'What came of them') },
})
const exportsRoute = personRoute({
  method: 'get',
  path: '/me/exports',
  operationId: 'listExports',
  summary: 'The copies that were asked for',
  tags: exportTags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(DataExportPage, 'Newest first') },
})
const oneExportRoute = personRoute({
  method: 'get',
  path: '/me/exports/{id}',
  operationId: 'getExport',
  summary: 'How far a copy is',
  tags: exportTags,
  request: { params: exportId },
  responses: { 200: answer(DataExport, 'The copy') },
})
const zip = { schema: z.string().max(1_000_000_000).openapi({ format: 'binary', description: 'The archive' }) }
const archiveRoute = personRoute({
  method: 'get',
  path: '/me/exports/{id}/archive',
  operationId: 'getExportArchive',
  summary: 'The archive itself, for seven days',
  description: 'A download that broke off goes on by `Range: bytes=N-`, with `If-Range` where the id could be another.',
  tags: exportTags,
  request: { params: exportId },
  responses: {
    200: { description: 'A zip archive', content: { 'application/zip': zip } },
    206: { description: 'The part of it that `Range` asks for', content: { 'application/zip': zip } },
  },
})

export const app = createApp()
  .openapi(deleteRoute, async (c) => c.json(await scheduleDeletion(c.var.ctx), 202))
  .openapi(restoreRoute, async (c) => {
    const me = await cancelDeletion(c.var.ctx)
    return c.json(me, 200, etag(me.version))
  })
  .openapi(exportRoute, async (c) => c.json(await startExport(c.var.ctx), 202))
  .openapi(importRoute, async (c) => c.json(await importItems(c.var.ctx, c.req.valid('json')), 200))
  .openapi(exportsRoute, async (c) => c.json(await listExports(c.var.ctx, c.req.valid('query')), 200))
  .openapi(oneExportRoute, async (c) => c.json(await getExport(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(archiveRoute, async (c) => {
    const { id } = c.req.valid('param')
    // An archive never changes: its id is what it is known by.
    const tag = `"${id}"`
    const isSame = (c.req.header('if-range') ?? tag) === tag
    const { content, size, part } = await openArchive(c.var.ctx, id, isSame ? c.req.header('range') : undefined)
    await recordAct(c.var.ctx, { person: c.var.ctx.actor.userId, target: id, changes: {} })
    const headers = {
      'Accept-Ranges': 'bytes',
      'Content-Type': 'application/zip',
      'Content-Length': String(part?.length ?? size),
      'Content-Disposition': `attachment; filename="aurelius-${id}.zip"`,
      ETag: tag,
    }
    if (!part) return c.body(content, 200, headers)
    const range = `bytes ${part.offset}-${part.offset + part.length - 1}/${size}`
    return c.body(content, 206, { ...headers, 'Content-Range': range })
  })
  .openapi(receiptRoute, async (c) => c.json(await getReceipt(c.var.ctx, c.req.valid('param').id), 200))
