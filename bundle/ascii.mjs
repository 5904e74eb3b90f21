import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// One letter beyond ASCII and V8 keeps the whole bundle at two bytes a letter: what a package has of them is escaped,
// which in names, strings and patterns says the same. `wrangler` runs this before it builds, and takes what it writes.
const PACKAGE = new URL('../node_modules/@marcbachmann/cel-js/lib/', import.meta.url)
const TARGET = new URL('../node_modules/.cache/aurelius-ascii/cel-js/', import.meta.url)

const escaped = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`

mkdirSync(TARGET, { recursive: true })
for (const name of readdirSync(PACKAGE).filter((file) => file.endsWith('.js'))) {
  const fresh = fileURLToPath(new URL(`${name}.${process.pid}`, TARGET))
  writeFileSync(fresh, readFileSync(new URL(name, PACKAGE), 'utf8').replaceAll(/[^\0-\x7f]/g, escaped))
  // Another build may read it just now.
  renameSync(fresh, fileURLToPath(new URL(name, TARGET)))
}
