import { PGlite } from '@electric-sql/pglite'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { COMPATIBILITY_DATE } from './bundles.ts'

// What any start on this machine must do: a database in a folder, and a workerd that answers.
const [, , dataDir] = process.argv
const worker = {
  name: 'bare',
  compatibilityDate: COMPATIBILITY_DATE,
  modules: true,
  script: 'export default { fetch: () => new Response("ready") }',
}
const server = { host: '127.0.0.1', port: 0, cf: false as const, log: new Log(LogLevel.WARN), workers: [worker] }
const [database, miniflare] = [PGlite.create(dataDir), new Miniflare(convertV4MiniflareOptions(server))]
const stop = async () => {
  await miniflare.dispose()
  await (await database).close()
  process.exit()
}
process.once('SIGTERM', () => void stop())
await (await database).query('select 1')
const answer = await fetch(await miniflare.ready)
if ((await answer.text()) === 'ready') console.log(`Bare is ready at ${answer.url}`)
