import type { Subscriber } from '#queue'

/** Who reacts to what happens: every consumer of domain events, in no particular order. */
export const subscribers: Subscriber[] = []
