import type { ModelMessage, ModelTool, PersonFacts, ToolCall, ToolResult } from '../model.ts'
import { clockAt } from './clock.ts'
import { record, resultsOf, type Turn, text, turnsOf } from './conversation.ts'
import { doCalendar } from './do-calendar.ts'
import { doChange } from './do-change.ts'
import { doCreate, doFill } from './do-create.ts'
import { doDay } from './do-day.ts'
import { doDraft } from './do-draft.ts'
import { doAskWhen, doEnd } from './do-end.ts'
import { doFind } from './do-find.ts'
import {
  doAgain,
  doForget,
  doInsights,
  doPrefs,
  doProject,
  doRecall,
  doRemember,
  doShowPrefs,
  doTime,
  doUndo,
} from './do-rest.ts'
import { doRoom } from './do-room.ts'
import { doUndoSince } from './do-undo-since.ts'
import type { Call, Intent, Outcome, Result, Script, State, World } from './intent.ts'
import { createMemo } from './memo.ts'
import { NOTHING, stateAfter, stateSeen } from './state.ts'
import { unconfirmedIn } from './unconfirmed.ts'
import { flagsOf, understood } from './understood.ts'
import { wrapUp } from './wrap-up.ts'

/** Older turns hold nothing that "it" or "the second one" could still mean. */
const MAX_TURNS = 6

export type Move = { calls: Call[] } | { text: string }

function* answered(outcome: Outcome, calls: Call[] = []): Script {
  if (calls.length > 0) yield calls
  return outcome
}

const unable = (tool: string) =>
  answered({ text: `I can't do that here: the tool ${tool} is not available in this conversation.` })

const NEEDS: Partial<Record<Intent['kind'], string>> = {
  create: 'create_task',
  fill: 'create_task',
  find: 'find_tasks',
  change: 'update_task',
  complete: 'complete_task',
  reopen: 'reopen_task',
  'ask-when': 'update_task',
  delete: 'delete_task',
  insights: 'task_insights',
  'project-create': 'create_project',
  'project-list': 'list_projects',
  'project-archive': 'archive_project',
  'project-delete': 'delete_project',
  remember: 'remember',
  recall: 'search_memories',
  forget: 'forget',
  prefs: 'set_preferences',
  'prefs-show': 'get_preferences',
  time: 'get_time',
  undo: 'undo_last',
  'undo-since': 'undo_effects',
  draft: 'draft_workflow',
}

function script(intent: Intent, world: World): Script {
  const tool = NEEDS[intent.kind]
  if (tool && !world.can(tool)) return unable(tool)
  switch (intent.kind) {
    case 'create':
      return doCreate(intent.draft, world)
    case 'fill':
      return doFill(intent, world)
    case 'find':
      return intent.events ? doDay(intent, intent.events, world) : doFind(intent, world)
    case 'change':
      return doChange(intent, world)
    case 'complete':
    case 'reopen':
    case 'delete':
      return doEnd(intent, world)
    case 'ask-when':
      return doAskWhen(intent, world)
    case 'project-create':
    case 'project-list':
    case 'project-archive':
    case 'project-delete':
      return doProject(intent)
    case 'remember':
      return doRemember(intent)
    case 'recall':
      return doRecall(intent)
    case 'forget':
      return doForget(intent)
    case 'prefs':
      return doPrefs(intent)
    case 'prefs-show':
      return doShowPrefs(intent, world)
    case 'time':
      return doTime(intent)
    case 'undo':
      return doUndo()
    case 'undo-since':
      return doUndoSince(intent)
    case 'event-create':
    case 'event-list':
    case 'event-free':
    case 'event-busy':
    case 'event-move':
    case 'event-cancel':
      return doCalendar(intent, world, script)
    case 'draft':
      return doDraft(intent)
    case 'room':
      return doRoom(intent)
    case 'insights':
      return doInsights()
    case 'repeat-calls':
      return doAgain(intent)
    case 'say':
      return answered({ text: intent.text, ...(intent.ask ? { ask: intent.ask } : {}) })
  }
}

const leans = (intent: Intent) =>
  ('target' in intent && intent.target.kind === 'focus') || (intent.kind === 'fill' && intent.list === '')

/** Independent requests go out together; one that speaks of "it" waits for what "it" is. */
function* together(intents: Intent[], world: World): Generator<Call[], Outcome[], Result[]> {
  const outcomes: Outcome[] = []
  let rest = intents
  let here = world
  while (rest.length > 0) {
    const n = Math.max(
      1,
      rest.findIndex((intent, i) => i > 0 && leans(intent)) === -1
        ? rest.length
        : rest.findIndex((intent, i) => i > 0 && leans(intent)),
    )
    const batch = rest.slice(0, n).map((intent) => script(intent, here))
    const done = yield* parallel(batch)
    outcomes.push(...done)
    rest = rest.slice(n)
    here = { ...here, state: { ...stateAfter(done, here.state, []), wrote: true } }
  }
  return outcomes
}

function* parallel(scripts: Script[]): Generator<Call[], Outcome[], Result[]> {
  let steps = scripts.map((s) => s.next())
  while (steps.some((s) => !s.done)) {
    const asked = steps.map((s) => (s.done ? [] : s.value))
    const results = yield asked.flat()
    let from = 0
    steps = steps.map((s, i) => {
      if (s.done) return s
      const mine = results.slice(from, from + (asked[i]?.length ?? 0))
      from += mine.length
      return scripts[i]?.next(mine) ?? s
    })
  }
  return steps.flatMap((s) => (s.done ? [s.value] : []))
}

/** A field is refused only by a schema that lists its fields without it. */
function takes(tools: ModelTool[], name: string, field: string | undefined): boolean {
  const tool = tools.find((t) => t.name === name)
  if (!tool) return false
  const fields = record(tool.inputSchema.properties)
  return field === undefined || Object.keys(fields).length === 0 || field in fields
}

/** What a turn made was not there when it was understood. */
const madeIn = ({ steps }: Turn): string[] =>
  steps.flatMap((step) =>
    step.calls.some(({ name }) => name === 'create_project')
      ? resultsOf(step).flatMap((r, i) =>
          r.ok && step.calls[i]?.name === 'create_project' ? text(record(r.output).id) : [],
        )
      : [],
  )

/** What all turns of a conversation are read against; `key` is all of it that an understanding depends on. */
type Scene = { person: PersonFacts; can: World['can']; key: string }

function sceneOf(person: PersonFacts, tools: ModelTool[]): Scene {
  const { timeZone, locale, displayName, projects } = person
  const can: World['can'] = (tool, field) => takes(tools, tool, field)
  const offered = tools.map(({ name }) => name).join()
  return { person, can, key: JSON.stringify([timeZone, locale, displayName, projects, offered, flagsOf(can)]) }
}

type Played = { move: Move | undefined; state: State }

// Calls that are still to be made are somebody's to make, once.
const memo = createMemo<Played>(({ move }) => move === undefined || 'text' in move)
// What was recorded is the same to each step of a turn, and what came of a turn to each turn after it.
const jsons = new WeakMap<object, string>()
function jsonOf(value: ToolCall | ToolResult | State): string {
  const json = jsons.get(value) ?? JSON.stringify(value)
  jsons.set(value, json)
  return json
}

/**
 * Plays a turn against what was recorded: to its end, or to the first calls still to be made. `later` are the projects
 * that were not there yet; `move` is undefined where it strayed from what was recorded.
 */
function play(turn: Turn, { person, can, key }: Scene, state: State, later: string[]): Played {
  const at = Number.isFinite(Date.parse(turn.at)) ? turn.at : person.now
  const steps = turn.steps.map(({ calls, results }) => [...calls, ...results.values()].map(jsonOf).join())
  return memo([turn.said, at, key, later.join(), jsonOf(state), ...steps].join('\n'), () => {
    const { displayName, timeZone, locale } = person
    const projects = person.projects.filter(({ id }) => !later.includes(id))
    return playAnew(turn, { clock: clockAt(at, timeZone, locale), projects, displayName, state, can })
  })
}

function playAnew(turn: Turn, world: World): Played {
  const strayed = { move: undefined, state: world.state }
  const intents = understood(turn.said, world)
  const script = together(intents, world)
  let step = script.next()
  for (const recorded of turn.steps) {
    if (step.done) return strayed
    const names = recorded.calls.map((c) => c.name)
    if (names.join() !== step.value.map((c) => c.name).join()) return strayed
    step = script.next(resultsOf(recorded))
  }
  if (!step.done) return { move: { calls: step.value }, state: world.state }
  const text = step.value
    .map((o) => o.text)
    .filter(Boolean)
    .join(step.value.length > 1 ? '\n' : ' ')
  return { move: { text: text || 'Done.' }, state: stateAfter(step.value, world.state, intents) }
}

/** The next move of the conversation, found by replaying it: the provider keeps no state of its own. */
export function nextMove(messages: ModelMessage[], person: PersonFacts, tools: ModelTool[]): Move {
  const turns = turnsOf(messages, MAX_TURNS + 1)
  const last = turns.at(-1)
  if (!last) return { text: 'What can I do for you?' }
  const scene = sceneOf(person, tools)
  const made = turns.map(madeIn)
  let state = NOTHING
  for (const [i, turn] of turns.slice(0, -1).entries()) {
    // Of the oldest it is not known what was before it: to play it would be to read it anew for each next turn.
    const played = i === 0 && turns.length > MAX_TURNS ? undefined : play(turn, scene, state, made.slice(i).flat())
    const isOver = played?.move !== undefined && 'text' in played.move
    state = isOver ? played.state : stateSeen(turn, state)
    const unconfirmed = unconfirmedIn(turn)
    if (unconfirmed) state = { ...state, unconfirmed }
  }
  return play(last, scene, state, made.slice(-1).flat()).move ?? { text: wrapUp(last) }
}
