import { makeId, type World } from '../world.ts'
import { type Try, withBody } from './lib-tries.ts'

const MOST = 20

/** What only the verbs behind webhooks and effects refuse. */
export const OWN_WEBHOOKS: Record<string, (world: World, asked: Try) => Promise<Try[]>> = {
  undoEffects: async (_, asked) => [withBody(asked, { id: makeId('eff') })],
  addWebhook: async (world, asked) => {
    await world.query(
      `insert into webhook_endpoints (id, user_id, url, description, events, enabled, secret)
        select value, $1, 'https://hooks.aurelius.invalid/', '', '{}', false, 'none' from json_array_elements_text($2::json)`,
      [asked.owner.userId, JSON.stringify(Array.from({ length: MOST }, () => makeId('whk')))],
    )
    return [asked]
  },
}

/** What only one of several at once is refused, by operation. */
export const RACED: Record<string, number> = { rotateWebhookSecret: 412 }
