import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { parseArgs } from 'node:util'
import { signIn } from './chat/account.ts'
import { type Api, ApiError } from './chat/api.ts'
import { type LiveEvent, openLive } from './chat/live.ts'
import { bold, dim, isTask, type ShownTask, sayCall, sayReceipt, sayTask, tasksIn } from './chat/show.ts'
import type { ServerEvent } from './chat/sse.ts'
import { type Said, say, type Turn } from './chat/turn.ts'

type Conversation = { id: string; title: string }

const USAGE = 'npm run chat -- [--url http://127.0.0.1:8787] [--email you@example.com] [--data .aurelius]'
const PROMPT = '> '
const HELP = `Say what is on your mind: "remind me to call the dentist tomorrow at 9", "what is due this week?",
"move the report to friday morning", "remember that I never take calls before ten".
  /tasks   what is open, by due date        /new    begin another conversation
  /yes     confirm what was asked about     /undo    take back what was done last
  /quit    leave (or Ctrl-C; while it answers, Ctrl-C stops the answer)`
const VERBS: Record<string, string> = {
  'task.created': 'new',
  'task.updated': 'changed',
  'task.completed': 'done',
  'task.reopened': 'open again',
  'task.deleted': 'deleted',
  'task.restored': 'restored',
}
// What this terminal's own turn did comes back as an event a moment later.
const OWN_ECHO_MS = 400

const { values } = readOptions()
const machineZone = Intl.DateTimeFormat().resolvedOptions().timeZone
const isTerminal = process.stdin.isTTY === true
const own = new Set<string>()
let lines: Interface | undefined
let turn: Turn | undefined
const held: LiveEvent[] = []
let isUndoing = false
// What waits for a yes: calls of the answer before, and suggestions where others' words were read.
let asked: string[] = []
let offered: string[] = []
const YES = /^(?:\/yes|y|yes|yep|yeah|ok|okay|sure|do it|go ahead|yes,? please)[.!]?$/i
// The person's, wherever this machine is.
let timeZone = machineZone
let isAtLineStart = true

function readOptions() {
  try {
    return parseArgs({
      options: {
        url: { type: 'string', default: 'http://127.0.0.1:8787' },
        email: { type: 'string' },
        data: { type: 'string', default: '.aurelius' },
      },
    })
  } catch (error) {
    return fail(new Error(`${error instanceof Error ? error.message.split('\n')[0] : error}\nUse: ${USAGE}`))
  }
}

function fail(error: unknown): never {
  if (!(error instanceof Error)) throw error
  console.error(error.message)
  process.exit(1)
}

/** A line of its own, above whatever is being typed. */
function print(text: string): void {
  if (!isAtLineStart) process.stdout.write('\n')
  else if (isTerminal && !turn) process.stdout.write('\r\x1b[K')
  isAtLineStart = true
  console.log(text)
  if (isTerminal && !turn) lines?.prompt(true)
}

function stream(raw: string): void {
  // What others wrote may come through here: it is not to move the cursor.
  const text = raw.replace(/[^\P{Cc}\n\t]/gu, '')
  if (text === '') return
  process.stdout.write(text)
  isAtLineStart = text.endsWith('\n')
}

const seen = ({ id, version }: ShownTask) => `${id}.${version}`

const isQuestion = (output: unknown): output is { code: string; suggestionId?: string } =>
  typeof output === 'object' && output !== null && 'code' in output && output.code === 'confirmation_required'

function onTurnEvent({ event, data }: ServerEvent): void {
  if (event === 'message.delta') stream(String(data['text'] ?? ''))
  if (event === 'tool.called') {
    print(sayCall(String(data['name']), data['input']))
    // What it takes back is not among what it answers.
    if (data['name'] === 'undo_last' || data['name'] === 'undo_effects') isUndoing = true
  }
  if (event === 'tool.finished') {
    for (const task of tasksIn(data['output'])) own.add(seen(task))
    const { output } = data
    if (isQuestion(output)) {
      if (output.suggestionId) offered.push(output.suggestionId)
      else asked.push(String(data['callId']))
      print(dim('  · yes confirms it'))
    } else if (data['isError']) print(dim(`  · ${data['name']} could not: ${JSON.stringify(data['output'])}`))
  }
  const { message } = data
  if (event === 'message.completed' && typeof message === 'object' && message && 'model' in message && message.model)
    print(sayReceipt(message))
  if (event === 'turn.ended' && data['status'] !== 'done')
    print(dim(`  (${data['status']}${data['errorCode'] ? `: ${data['detail'] ?? data['errorCode']}` : ''})`))
}

function onLiveEvent(event: LiveEvent): void {
  if (turn || isUndoing) held.push(event)
  else showLive(event)
}

function showLive({ event, data }: LiveEvent): void {
  const verb = VERBS[event]
  if (verb && isTask(data) && !own.has(seen(data))) print(dim(`  ~ ${verb}: `) + sayTask(data, timeZone))
  if (event !== 'notification.created') return
  print(`${isTerminal ? '\x07' : ''}  ${bold(`⏰ ${data['title']}`)}${data['body'] ? ` ${data['body']}` : ''}`)
}

async function answer(api: Api, conversationId: string, said: Said): Promise<void> {
  asked = []
  offered = []
  turn = say(api, conversationId, said, {
    onEvent: onTurnEvent,
    onState: (state) =>
      print(dim(state === 'lost' ? '  (the connection broke; trying again…)' : '  (connected again)')),
  })
  try {
    await turn.ended
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    print(error.message)
  }
  turn = undefined
  setTimeout(() => {
    for (const event of held.splice(0)) if (!isUndoing || event.topic !== 'tasks') showLive(event)
    isUndoing = false
  }, OWN_ECHO_MS).unref()
}

async function showTasks(api: Api): Promise<void> {
  const { items } = await api.call<{ items: ShownTask[] }>('GET', '/v1/tasks?open=true&sort=due&limit=50')
  print(items.length > 0 ? items.map((task) => `  ${sayTask(task, timeZone)}`).join('\n') : dim('  Nothing is open.'))
}

async function findConversation(api: Api): Promise<Conversation | undefined> {
  const { items } = await api.call<{ items: Conversation[] }>('GET', '/v1/conversations?limit=1')
  return items[0]
}
const begin = (api: Api) => api.call<Conversation>('POST', '/v1/conversations', { body: {} })

/** What a client with buttons does when one is pressed: the very calls that were asked about, and no others. */
async function agree(api: Api, { id }: Conversation, line: string): Promise<void> {
  const [suggestions, confirms] = [offered, asked]
  for (const suggestion of suggestions) {
    await api.call('POST', `/v1/suggestions/${suggestion}/approve`, { body: {} })
    print(dim('  · agreed, and being done'))
  }
  offered = []
  if (confirms.length > 0 || suggestions.length === 0)
    await answer(api, id, { text: line === '/yes' ? 'yes' : line, confirms })
}

async function handle(api: Api, line: string, conversation: Conversation): Promise<Conversation> {
  if (line === '/help') print(HELP)
  else if (line === '/tasks') await showTasks(api)
  else if (line === '/new') {
    const fresh = await begin(api)
    print(dim('  (a new conversation)'))
    return fresh
  } else if (line === '/undo') await answer(api, conversation.id, { text: 'undo that' })
  else if (line === '/yes' || (YES.test(line) && asked.length + offered.length > 0))
    await agree(api, conversation, line)
  else if (line.startsWith('/')) print(`There is no ${line.split(' ')[0]}. ${HELP}`)
  else await answer(api, conversation.id, { text: line })
  return conversation
}

async function main(): Promise<void> {
  const { api, email, isNew, leave } = await signIn({
    url: values.url.replace(/\/$/, ''),
    file: join(values.data, 'chat.json'),
    email: values.email,
    password: process.env['AURELIUS_PASSWORD'] || undefined,
    timeZone: machineZone,
  })
  const me = await api.call<{ preferences: { timeZone: string } }>('GET', '/v1/me')
  timeZone = me.preferences.timeZone
  const known = await findConversation(api)
  let conversation = known ?? (await begin(api))
  const who = `${isNew ? 'Registered' : 'Signed in'} as ${email} (${timeZone})`
  print(dim(`${who}${known ? `; going on with “${known.title}”` : ''}. /help says more.`))

  const live = openLive(api, {
    topics: ['tasks', 'notifications'],
    onEvent: onLiveEvent,
    onState: (state) =>
      print(
        dim(
          {
            lost: '  (live events: connecting again…)',
            back: '  (live again)',
            missed: '  (live again; /tasks shows what changed meanwhile)',
          }[state],
        ),
      ),
  })
  const onLine = async (typed: string) => {
    const line = typed.trim()
    if (isLeaving) return
    if (line === '/quit') return leaveLoop()
    if (!isTerminal && line) print(PROMPT + line)
    try {
      if (line) conversation = await handle(api, line, conversation)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      print(error.message)
    }
    if (isTerminal && !isLeaving) lines?.prompt()
  }
  let isLeaving = false
  let said = Promise.resolve()
  const leaveLoop = () => {
    isLeaving = true
    lines?.close()
  }
  const interrupt = () => {
    if (turn) turn.cancel().catch((error: Error) => print(error.message))
    else leaveLoop()
  }
  const open = createInterface({
    input: process.stdin,
    output: isTerminal ? process.stdout : undefined,
    prompt: PROMPT,
  })
  lines = open
  const closed = new Promise<void>((resolve) => open.once('close', resolve))
  open.on('line', (line) => {
    said = said.then(() => onLine(line))
    said.catch(fail)
  })
  open.on('SIGINT', interrupt)
  process.on('SIGINT', interrupt)
  if (isTerminal) open.prompt()
  await closed
  // What was typed before the end is still answered.
  await said
  live.close()
  leave()
  process.exit(0)
}

await main().catch(fail)
