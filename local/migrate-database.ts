import { parseArgs } from 'node:util'
import { migrate } from './migrate.ts'
import { startPostgres } from './postgres.ts'

const { values } = parseArgs({ options: { 'database-url': { type: 'string', default: process.env.DATABASE_URL } } })
const databaseUrl = values['database-url']
if (!databaseUrl) {
  console.error('Say which database: npm run migrate -- --database-url postgres://…')
  process.exit(1)
}
const postgres = await startPostgres({ databaseUrl })
try {
  const applied = await migrate(postgres, 'migrations', (tag, extension) => {
    console.log(`waits for the extension ${extension}: ${tag}`)
  })
  console.log(applied.length > 0 ? `applied: ${applied.join(', ')}` : 'nothing to apply')
} finally {
  await postgres.close()
}
