import type { Sabotage } from '../proofs/sabotage.ts'

const LEARNING = 'src/proactivity/learning.ts'
const GATE = 'src/proactivity/gate.ts'
const REASONS = 'src/proactivity/reasons.ts'
const REMINDERS = 'src/scheduler/reminders.ts'
const LIMITS = 'src/proactivity/limits.ts'

/** Nothing of what they did is gone by. */
export const DEAF: Sabotage[] = [
  {
    file: LEARNING,
    find: 'const speak = expected >= MUTE_BELOW || draw(yes, no, chance) > TRY_ABOVE',
    replace: 'const speak = draw(yes, no, chance) >= 0',
  },
]

/** What each figure must notice. */
export const SABOTAGES: Record<string, Sabotage[]> = {
  'learning is off': DEAF,
  'facts that were looked into are looked into again': [
    { file: GATE, find: "  if (lookedAt?.factsHash === factsHash) return 'nothing_new'\n", replace: '' },
    { file: GATE, find: 'set: opened, setWhere: isNew', replace: 'set: opened' },
  ],
  'nobody counts what is open or was offered': [
    {
      file: LIMITS,
      find: '{ maxOpen }: Settings): SQL<boolean> =>\n  sql`(',
      replace: '{ maxOpen }: Settings): SQL<boolean> =>\n  sql`-100 + (',
    },
    { file: LIMITS, find: "::int then 'too_many_today'", replace: "::int + 100 then 'too_many_today'" },
    { file: REASONS, find: "  if (today >= settings.maxADay) return 'too_many_today'\n", replace: '' },
    { file: REASONS, find: "  if (open >= settings.maxOpen) return 'too_many_open'\n", replace: '' },
  ],
  'timers of reminders ring late': [
    {
      file: REMINDERS,
      find: 'return { name: nameOf(task.id), dueMs, version',
      replace: 'return { name: nameOf(task.id), dueMs: dueMs + 5000, version',
    },
  ],
  'a reminder is given as often as somebody asks': [
    { file: REMINDERS, find: 'dedupeKey: `reminder:', replace: "dedupeKey: ctx.newId('ntf') ?? `reminder:" },
    {
      file: REMINDERS,
      find: 'db.batch([takeTurn(db, actor), tell, mark])',
      replace: 'db.batch([takeTurn(db, actor), tell])',
    },
  ],
}
