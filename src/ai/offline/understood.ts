import type { Intent, World } from './intent.ts'
import { createMemo } from './memo.ts'
import { understand } from './understand.ts'

const memo = createMemo<Intent[]>()

/** What `understand` makes of it; nobody may change what it answers. */
export const understood = (said: string, world: World): Intent[] =>
  memo(keyOf(said, world), () => understand(said, world))

/** Of what may be done that which words are understood by. */
export const flagsOf = (can: World['can']): boolean[] => [
  can('set_preferences', 'displayName'),
  can('delete_project'),
  can('create_event'),
  can('list_events'),
]

// All that an understanding depends on.
function keyOf(said: string, { clock, projects, displayName, state, can }: World): string {
  const { now, zone, locale } = clock
  return JSON.stringify([said, now.epochMilliseconds, zone, locale, projects, displayName, state, flagsOf(can)])
}
