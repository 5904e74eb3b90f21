import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { claimDataFolder, type DataFolder } from './data-folder.ts'

// What `npm start` and `npm run chat` put into a data folder, half-written files included.
const OURS = /^(postgres|objects|logs|(secrets|chat|mailbox)\.json(\.\w+)?)$/

async function isMeant(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`${question} Type yes: `)
  terminal.close()
  return answer.trim().toLowerCase() === 'yes'
}

function take(folder: string): DataFolder {
  const inner = join(folder, 'postgres')
  try {
    return claimDataFolder(inner)
  } catch (error) {
    if (error instanceof Error) error.message = `${error.message.replace(inner, folder)}. Stop it first.`
    throw error
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { data: { type: 'string', default: '.aurelius' }, yes: { type: 'boolean', default: false } },
  })
  const folder = resolve(values.data)
  if (!existsSync(folder)) return console.log(`There is no ${values.data}: nothing to remove.`)
  const entries = readdirSync(folder)
  const foreign = entries.filter((name) => !OURS.test(name))
  if (entries.length === 0 || foreign.length > 0) {
    const why = entries.length === 0 ? 'it is empty' : `it holds ${foreign.slice(0, 5).join(', ')}`
    throw new Error(`${values.data} is not a data folder of Aurelius: ${why}. Nothing was removed.`)
  }
  const claim = take(folder)
  try {
    if (!values.yes && !process.stdin.isTTY) throw new Error('Nobody to ask: npm run reset -- --yes')
    const question = `Everything in ${values.data} goes: people, tasks, conversations, secrets.`
    if (!values.yes && !(await isMeant(question))) return console.log('Nothing was removed.')
    for (const name of entries) rmSync(join(folder, name), { recursive: true, force: true })
    rmdirSync(folder)
    console.log(`${values.data} is gone. A database that was named with --database-url was not touched.`)
  } finally {
    claim.release()
  }
}

await main().catch((error: Error) => {
  console.error(error.message.split('\n')[0])
  process.exit(1)
})
