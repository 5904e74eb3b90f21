import type { Intent, World } from './intent.ts'
import { createMemo } from './memo.ts'
import { understand } from './understand.ts'

const memo = createMemo<Intent[]>()

/** What `understand` makes of it; nobody may change what it answers. */
export const understood = (said: string, world: World): Intent[] =>
  memo(keyOf(said, world), () => understand(said, world))

/** All that an understanding depends on. */
export function keyOf(said: string, { clock, projects, displayName, state, can }: World): string {
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
