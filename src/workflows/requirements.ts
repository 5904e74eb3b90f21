import type { Definition } from './definition.ts'

type Need = NonNullable<Definition['requires']>[number]

/** What a workflow may require and is not there, with what is said of it. What is not listed is there. */
const ABSENT: Readonly<Partial<Record<Need, string>>> = {
  mail: 'mail can be sent, but none that comes in is read yet',
  connected_calendar: 'there is a calendar here, but none of another provider can be connected yet',
}

/** Why what is required cannot be had, or null. */
export const whyAbsent = (need: Need): string | null => ABSENT[need] ?? null
