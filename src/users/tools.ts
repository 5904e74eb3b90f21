import { z } from 'zod'
import { defineTool, s, type Tool, type Undo } from '#core'
import { getMe, getPreferences, preferencesState, updateMe } from './me.ts'
import { type Me, type Preferences, PreferencesPatch } from './schema.ts'

// Of what was there that which a patch touches.
const within = (before: Preferences, patch: object) =>
  Object.fromEntries(Object.entries(before).filter(([name]) => name in patch))
const versioned = ({ id, version, preferences }: Me) => ({ id, version, ...preferences })
const undoSet = (before: Preferences, patch: object): Undo => {
  return { tool: 'set_preferences', input: within(before, patch), says: 'Set the preferences back' }
}

/** What the assistant may know and change of the person themselves. */
export const personTools: Tool[] = [
  defineTool({
    name: 'get_preferences',
    description: "The user's time zone, locale, quiet hours, working hours and voice.",
    input: z.strictObject({}),
    readOnly: true,
    run: async (ctx) => ({ output: await getPreferences(ctx) }),
  }),
  defineTool({
    name: 'set_preferences',
    description: "Change the user's time zone, locale, quiet hours, working hours or voice. Give only what changes.",
    input: PreferencesPatch,
    run: async (ctx, input) => {
      const before = versioned(await getMe(ctx))
      return { output: versioned(await updateMe(ctx, { preferences: input }, '*')), before }
    },
    state: (ctx) => preferencesState(ctx),
    plan: (input, before) => ({
      says: `Set ${Object.keys(input).join(', ') || 'no'} preferences`,
      changes: [{ target: before?.id ?? null, before: before && within(before, input), after: input }],
      undo: before && undoSet(before, input),
    }),
  }),
  defineTool({
    name: 'get_time',
    description: 'The date and time now, in a time zone or in that of the user.',
    input: z.strictObject({ timeZone: s.timeZone.optional() }),
    readOnly: true,
    run: async (ctx, input) => {
      const timeZone = input.timeZone ?? (await getPreferences(ctx)).timeZone
      return { output: clockIn(timeZone, ctx.now()) }
    },
  }),
]

function clockIn(timeZone: string, at: Date) {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
    hourCycle: 'h23',
  })
  const weekday = new Intl.DateTimeFormat('en', { timeZone, weekday: 'long' }).format(at)
  const [date, time] = format.format(at).split(', ')
  return { iso: at.toISOString(), date, time, weekday, timeZone }
}
