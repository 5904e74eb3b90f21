import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { changeSet, KINDS, type Kind, keyNames, newSet, STEPS, type Step } from './key-set.ts'

const USAGE = `Secrets of a deployment, as \`wrangler secret bulk\` takes them:
  npm run keys -- --out FILE                            a new set, for its owner's eyes alone
  npm run keys -- STEP jwt|encryption --from FILE       one step of a rotation, in that file
STEP is ${STEPS.join(', ')}. --stdout prints what would be written; --out writes it elsewhere.`

const ROOT = resolve(import.meta.dirname, '..')

function fail(why: string): never {
  console.error(`${why}\n\n${USAGE}`)
  process.exit(1)
}

function isInRepository(path: string): boolean {
  const from = relative(ROOT, path)
  return from === '' || !from.startsWith('..')
}

const isStep = (step: string | undefined): step is Step => STEPS.some((known) => known === step)
const isKind = (kind: string | undefined): kind is Kind => kind !== undefined && kind in KINDS

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    from: { type: 'string' },
    stdout: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const [step, kind] = positionals
const { from, stdout } = values
const out = values.out ?? from

async function made() {
  if (step === undefined) return from === undefined ? await newSet() : fail('A new set is made from nothing')
  if (!isStep(step) || !isKind(kind)) return fail(`There is no ${positionals.join(' ')}`)
  if (from === undefined) return fail('Say --from which file')
  try {
    return await changeSet(JSON.parse(readFileSync(from, 'utf8')), kind, step)
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const set = await made()
const text = `${JSON.stringify(set, null, 2)}\n`
if (stdout) process.stdout.write(text)
else if (out === undefined) fail('Say --out FILE or --stdout')
else if (isInRepository(resolve(out))) fail('Secrets are not kept in the repository')
else if (out !== from && existsSync(out)) fail(`${out} is there already`)
else {
  // Whole or not at all, and nobody else's to read from its first byte on.
  writeFileSync(`${out}.new`, text, { mode: 0o600, flag: 'wx' })
  renameSync(`${out}.new`, out)
  if (isKind(kind)) console.log(`${kind} keys: ${keyNames(set, kind).join(', ')} (the first is used)`)
  console.log(`written: ${out}\nput it:  npx wrangler secret bulk ${out} --env production`)
}
