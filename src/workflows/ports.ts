import type { Effects, Recorded, Undone } from '#effects'
import type { ActionOffer, Autonomy, NewSuggestion } from '#proactivity'
import type { Analysed, Left } from './analyse.ts'
import type { Definition } from './definition.ts'
import type { Gathered } from './gather.ts'
import type { Doing, Finding, RunEnd } from './run-schema.ts'

/** What a run is made of, pinned when it was asked for. */
export type Begun = {
  id: string
  workflowId: string
  name: string
  definition: Definition
  params: Record<string, unknown>
  trigger: Record<string, unknown>
  triggerKind: string
  priority: Definition['priority']
  isTainted: boolean
  /** What instances that were lost had found out, as JSON by step: nothing of it is looked up or done again. */
  kept: Record<string, string>
}

/** `isStale`: what it comes from has changed since. */
export type Act = { kind: string; outward: boolean; tainted: boolean; isStale?: boolean }
export type Decision = { decision: 'approved' | 'dismissed' | 'expired'; actions: ActionOffer[] }
export type Asked = { status: 'proposed'; id: string } | { status: 'withheld'; id: string; reason: string }
export type Notice = { key: string; title: string; body: string; isAlert: boolean }
export type Question = { step: string; question: string; choices: string[]; expiresAt: string }
export type Standing = { effectId: string; step: string; kind: string; says: string }
/** Where the run is now. `until`: when it wakes by itself at the latest. */
export type Mark = { status: 'proposed' | 'waiting' | 'running'; until?: string; suggestionId?: string; doing?: Doing }

/** What a step may do; all of it may be done again. */
export type World = {
  now(): Date
  /** Takes the run for this instance; null: it has ended, or another instance has it. */
  begin(): Promise<Begun | null>
  gather(run: Begun): Promise<Gathered>
  /** The reason to be silent, or null. `findings`: what rules found already. */
  gate(run: Begun, gathered: Gathered, findings: Finding[]): Promise<string | null>
  /** Leaves the analysis to a batch, where it can wait and is cheaper; null: it is to be made now. */
  leave(run: Begun, gathered: Gathered): Promise<Left | null>
  /** Whether that has ended, so that there is nothing to wait for. */
  hasEnded(left: Left): Promise<boolean>
  /** What a batch answered where it was left to one; else it is made now. */
  analyse(run: Begun, gathered: Gathered, left?: Left): Promise<Analysed>
  /** By what the person allowed. */
  allow(acts: (Act & { workflowId: string })[]): Promise<Autonomy[]>
  rehearse(): Effects & { recorded: Recorded[] }
  propose(suggestion: NewSuggestion): Promise<Asked>
  /** What was decided of a suggestion; null: nothing yet. */
  decided(suggestionId: string): Promise<Decision | null>
  /** Says of what the person allowed what came of it. Without ids of all of it, and asks no more what is not decided. */
  settle(end: { status: 'done' | 'failed'; effectIds: string[]; detail: string }, ids?: string[]): Promise<void>
  /** The run has ended: a yes to one of these that came meanwhile begins it again. */
  goOn(suggestionIds: string[]): Promise<void>
  question(question: Question): Promise<void>
  answered(step: string): Promise<string | null>
  effects: Effects
  undo(effectId: string): Promise<Undone>
  /** What this run did and what stands, the newest first. */
  standing(): Promise<Standing[]>
  /** Writes down where the run is. False: it is over, or another instance has it. */
  mark(mark: Mark): Promise<boolean>
  /** Writes down what a step found out; answers what was written first, or null where the run is over. */
  keep(doing: Doing, found: string): Promise<string | null>
  /** The same for how a step ended that had been kept before. */
  amend(doing: Doing): Promise<void>
  end(end: RunEnd): Promise<void>
  tell(notice: Notice): Promise<void>
}

/** Durable steps: what one answered is not asked for again. No name is used twice. */
export type StepPort = {
  /** Tried again with backoff, each time within a deadline; throws what the last try threw. */
  step<T>(name: string, work: (world: World) => Promise<T>): Promise<T>
  /** Until somebody wakes it by this name, or until then. */
  waitFor(name: string, type: WakeType, untilMs: number): Promise<void>
  sleepUntil(name: string, untilMs: number): Promise<void>
}
export type WakeType = 'decided' | 'answered' | 'analysed'
