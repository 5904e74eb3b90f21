import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { app } from '../workers/app.ts'
import { openApiDocument } from '../workers/system.ts'

const [file = 'dist/openapi.json'] = process.argv.slice(2)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, JSON.stringify(openApiDocument(app, 'https://api.aurelius.dev'), null, 2))
