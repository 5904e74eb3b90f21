import { z } from 'zod'
import { AppError, type Ctx, s, withTimeout } from '#core'
import { checkUrl, fetchOutside, networkOf, takeQuota } from '#security'
import { type Client, checked, findClient } from './clients.ts'
import { OauthError } from './error.ts'
import { ClientMetadata } from './schema.ts'
import { oauthClients } from './tables.ts'

const FETCHES = { quota: 30, windowS: 60 }
const FRESH_MS = 86_400_000
const DEADLINE_MS = 5_000
const MAX_BYTES = 5_000

const Document = s.later(() =>
  z.looseObject({
    ...ClientMetadata().shape,
    client_id: z.string(),
    token_endpoint_auth_method: z.literal('none').default('none'),
  }),
)

type KnownCtx = Pick<Ctx, 'db' | 'config' | 'client' | 'now'>

/** The app of this id: one that registered, or one whose id is where it describes itself, read anew after a day. */
export async function clientFor(ctx: KnownCtx, id: string): Promise<Client | undefined> {
  const found = await findClient(ctx, id)
  if (!/^https?:/.test(id)) return found
  if (found?.fetchedAt && ctx.now().getTime() - found.fetchedAt.getTime() < FRESH_MS) return found
  const client = { id, ...(await describe(ctx, id)) }
  const values = { ...client, fetchedAt: ctx.now() }
  await ctx.db.insert(oauthClients).values(values).onConflictDoUpdate({ target: oauthClients.id, set: values })
  return client
}

/** What an app says of itself at the address that is its id (draft-ietf-oauth-client-id-metadata-document). */
async function describe({ config, client, now }: KnownCtx, id: string): Promise<Omit<Client, 'id'>> {
  const refused = (why: string) => new OauthError('invalid_client', `The app is not known by its address: ${why}`)
  const quota = FETCHES.quota * config.rateLimitFactor
  const take = takeQuota(`oauth-client:${networkOf(client.address)}`, { ...FETCHES, quota }, now())
  if (!take.ok) throw new AppError('rate_limited', 'Too many new apps from here; wait', { retryAfterS: take.resetS })
  const url = checkUrl(id, config.outbound)
  if (!url.ok) throw refused(url.reason)
  if (url.url.href !== id || url.url.pathname === '/') throw refused('it is no plain address with a path')
  const text = await withTimeout(DEADLINE_MS, (signal) => read(id, signal, config)).catch(() => undefined)
  if (text === undefined) throw refused('it does not answer as it should')
  const document = Document().safeParse(text)
  if (!document.success) throw refused('what is there is no description of a public client')
  if (document.data.client_id !== id) throw refused('what is there is of another')
  return checked(document.data)
}

async function read(url: string, signal: AbortSignal, config: Ctx['config']): Promise<unknown> {
  const response = await fetchOutside(url, { signal, headers: { accept: 'application/json' } }, config.outbound)
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (text.length > MAX_BYTES) throw new Error('too long')
  }
  return JSON.parse(text)
}
