import type { Clock, Moment } from './clock.ts'
import type { When } from './when.ts'

export type Priority = 'low' | 'medium' | 'high' | 'urgent'
export type Status = 'pending' | 'in_progress' | 'completed' | 'cancelled'

/** A task as a tool gave it back; only what the replies and the patches read. */
export type Task = {
  id: string
  title: string
  notes: string
  status: Status
  priority: string
  labels: string[]
  projectId: string | null
  start: Moment | null
  due: Moment | null
  remindAt: Moment | null
  recurrence: string | null
  completedAt: string | null
}

export type Project = { id: string; name: string }
export type Memory = { id: string; text: string }

export type Filter = {
  text?: string
  status?: Status[]
  open?: boolean
  overdue?: boolean
  projectId?: string
  label?: string
  priority?: Priority
  dueAfter?: string
  dueBefore?: string
  completedAfter?: string
  completedBefore?: string
  sort?: 'due' | 'priority' | 'created' | 'updated'
  limit?: number
}

export type Draft = {
  title: string
  notes?: string
  when?: When
  remind: boolean
  remindWhen?: When
  priority?: Priority
  labels?: string[]
  projectId?: string
  estimate?: number
  parent?: string
}

/** Which tasks are meant. `date`/`time` narrow a name: "the 3pm call", "friday's report". */
export type Target =
  | { kind: 'focus'; many: boolean }
  | { kind: 'nth'; places: number[] }
  | { kind: 'named'; names: string[]; when?: When }
  | { kind: 'set'; filter: Filter; name: string }

/** Later (1) or earlier (-1) by so much. */
export type Length = { minutes?: number; days?: number; months?: number; years?: number }
export type Shift = Length & { sign: 1 | -1 }

export type Change = {
  when?: When
  near?: true
  shift?: Shift
  snooze?: { minutes?: number; when?: When }
  title?: string
  priority?: Priority
  status?: Status
  skip?: true
  projectId?: string | null
  addLabel?: string
  dropLabel?: string
  note?: string
  estimate?: number
  clear?: 'due' | 'remindAt' | 'recurrence'
}

/** The days, or the part of one, whose events belong into the answer. */
export type Days = { from: string; to: string; part?: string }
export type View = 'agenda' | 'done' | 'about' | 'count' | 'next' | 'free'

export type Intent =
  | { kind: 'create'; draft: Draft }
  | { kind: 'fill'; list: string; items: Draft[] }
  | {
      kind: 'find'
      filter: Filter
      view: View
      title: string
      late?: boolean
      memories?: boolean
      day?: string
      events?: Days
    }
  | { kind: 'change'; target: Target; change: Change; orCreate?: Draft }
  | { kind: 'complete' | 'reopen' | 'delete'; target: Target; orCreate?: Draft }
  | { kind: 'ask-when'; target: Target }
  | { kind: 'insights' }
  | { kind: 'project-create'; name: string }
  | { kind: 'project-list' }
  | { kind: 'project-archive'; project: Project }
  | { kind: 'project-delete'; project: Project }
  | { kind: 'remember'; text: string; about: 'fact' | 'preference' | 'person' }
  | { kind: 'recall'; text?: string }
  | { kind: 'forget'; text: string }
  | { kind: 'prefs'; patch: Record<string, unknown>; saying: string }
  | { kind: 'prefs-show'; about: string }
  | { kind: 'time'; places: { zone: string; name: string }[] }
  | { kind: 'undo' }
  | { kind: 'undo-since'; since: string; until: string; name: string }
  | { kind: 'draft'; text: string }
  | { kind: 'room'; room: Room }
  | EventIntent
  | { kind: 'repeat-calls'; calls: Asked[] }
  | { kind: 'say'; text: string; ask?: Ask; about?: string }

/** What of the product is listed as it is. */
export type Room = 'suggestions' | 'commitments' | 'workflows'

/** `ids` are those picked from several, `all` wants no picking. */
type Named = { text: string; date?: string; time?: string; ids?: string[]; all?: boolean }
/** Of the calendar; `plain` is what is meant where no event is. */
export type EventIntent =
  | { kind: 'event-create'; title: string; start: Moment; end?: Moment; recurrence?: string; minutes?: number }
  | { kind: 'event-list'; from: string; to?: string; name: string; text?: string; isNext?: boolean; plain: Intent }
  | { kind: 'event-free'; from: string; to: string; name: string; minutes?: number; plain: Intent }
  | { kind: 'event-busy'; date: string; time: string; plain: Intent }
  | ({ kind: 'event-move'; to: { date?: string; time?: string }; plain: Intent } & Named)
  | ({ kind: 'event-cancel'; plain: Intent } & Named)

/** A question left open at the end of a turn. */
export type Ask =
  | { kind: 'which'; tasks: Task[]; intent: Intent }
  | { kind: 'when'; task: Task; remind: boolean }
  | { kind: 'what'; when?: When }
  | { kind: 'offer'; intent: Intent }

/** What the conversation so far tells about the next sentence. */
export type State = {
  focus: Task[]
  focusIs: 'written' | 'listed' | 'none'
  /** What was last read out, where something else is in focus since. */
  list?: Task[]
  wrote: boolean
  ask?: Ask
  query?: Extract<Intent, { kind: 'find' }>
  projectId?: string
  unconfirmed?: Asked[]
}

export type World = {
  clock: Clock
  projects: Project[]
  displayName: string
  state: State
  can: (tool: string, field?: string) => boolean
}

export type Call = { name: string; input: Record<string, unknown> }
/** A call that waits for its tap, and what it is about where that was read. */
export type Asked = Call & { title?: string }
export type Result = { ok: true; output: unknown } | { ok: false; code: string; detail: string }
export type Outcome = {
  text: string
  written?: Task[]
  listed?: Task[]
  ask?: Ask
  projectId?: string
  wrote?: boolean
}

/** A plan as a generator: it yields calls to make together, and resumes with their results. */
export type Script = Generator<Call[], Outcome, Result[]>
