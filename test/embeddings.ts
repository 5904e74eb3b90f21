import { readConfig } from '#config'
import { startEmbeddings } from '../local/embeddings.ts'

/** The local embedded model, with the settings that use it over the given ones. */
export async function withEmbeddings(vars: Record<string, string>) {
  const { vars: more, stop } = await startEmbeddings()
  return { config: readConfig({ ...vars, ...more }), stop }
}
