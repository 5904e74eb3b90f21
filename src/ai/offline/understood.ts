import type { Intent, World } from './intent.ts'
import { understand } from './understand.ts'

const MAX_KNOWN = 200
const MAX_KEY_CHARS = 20_000

// Plain data of this isolate: each step of a turn and each turn after it reads the same words against the same world.
const known = new Map<string, Intent[]>()

/** What `understand` makes of it; nobody may change what it answers. */
export function understood(said: string, world: World): Intent[] {
  const key = keyOf(said, world)
  if (key.length > MAX_KEY_CHARS) return understand(said, world)
  const intents = known.get(key) ?? understand(said, world)
  // What was asked for last is forgotten last.
  known.delete(key)
  known.set(key, intents)
  for (const oldest of known.size > MAX_KNOWN ? known.keys().take(1) : []) known.delete(oldest)
  return intents
}

// All that an understanding depends on.
function keyOf(said: string, { clock, projects, displayName, state, can }: World): string {
  const tools = [can('set_preferences', 'displayName'), can('delete_project'), can('create_event'), can('list_events')]
  return JSON.stringify([
    said,
    clock.now.epochMilliseconds,
    clock.zone,
    clock.locale,
    projects,
    displayName,
    state,
    tools,
  ])
}
