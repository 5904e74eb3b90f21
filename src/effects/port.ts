export type Origin =
  | { kind: 'turn'; messageId: string; callId: string }
  | { kind: 'run'; runId: string; step: string }
  | { kind: 'suggestion'; suggestionId: string; action: string }
  | { kind: 'schedule'; scheduleRunId: string }
  | { kind: 'api' }

/** `key`: the same one again is the same act. `isAgreed`: the person tapped. */
export type NewEffect = {
  kind: string
  input: unknown
  key: string
  origin: Origin
  tainted: boolean
  isAgreed: boolean
}

export type Outcome =
  | {
      /** `sending`: handed on, and whoever takes it has not said so yet. */
      status: 'done' | 'held' | 'sending'
      effectId: string
      says: string
      output: unknown
      evidence: { id: string | null; provider: string | null }
      heldUntil: string | null
    }
  | {
      status: 'failed' | 'refused' | 'unknown'
      effectId: string | null
      code: string
      detail: string
      isRetryable: boolean
    }

/** The port. The real one and the recorder have the same type. */
export type Effects = { perform(effect: NewEffect): Promise<Outcome> }

/** What a person reads of an act at most. */
export const MAX_SAYS = 500

/** Of what goes out and was led to by foreign text, while nobody tapped. */
export const REFUSAL = {
  code: 'confirmation_required',
  detail: 'What led to this came from outside: it needs a tap of the person',
}
