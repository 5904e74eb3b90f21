import { z } from '@hono/zod-openapi'
import { answer, createApp, operatorRoute, s } from '#core'
import { type SealedColumn, sealedProgress } from './reseal.ts'

const Secrets = s.later(() =>
  z
    .strictObject({
      currentKey: z.string().max(32).openapi({ description: 'The id of the key that seals' }),
      olderKeys: z.array(z.string().max(32)).max(8).openapi({ description: 'Those that only open' }),
      columns: z
        .array(
          z
            .strictObject({
              table: z.string().max(63),
              column: z.string().max(63),
              rows: s.int(0, 2_147_483_647),
              older: s.int(0, 2_147_483_647).openapi({ description: 'Sealed with an older key' }),
            })
            .openapi('SealedColumn'),
        )
        .max(100),
    })
    .openapi('Secrets'),
)

const showRoute = operatorRoute({
  method: 'get',
  path: '/admin/secrets',
  operationId: 'showSecrets',
  summary: 'How far the secrets at rest are with the current key',
  description:
    'Older keys may be taken away once `older` is 0 everywhere, ten minutes after the key before was replaced.',
  tags: ['Operations'],
  responses: { 200: answer(Secrets, 'Counts, and names of keys') },
})

/** What the operator sees of the secrets in these columns. */
export function secretsApp(columns: readonly SealedColumn[]) {
  return createApp().openapi(showRoute, async (c) => {
    const { ctx } = c.var
    const [currentKey = '', ...olderKeys] = ctx.config.encryptionKeys.map(({ id }) => id)
    return c.json({ currentKey, olderKeys, columns: await sealedProgress(ctx, columns) }, 200)
  })
}
