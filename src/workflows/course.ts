import type { Analysed } from './analyse.ts'
import type { Step } from './definition.ts'
import type { Plan } from './plan.ts'
import type { Begun, StepPort, World } from './ports.ts'
import type { Reader, Values } from './reader.ts'
import type { Doing, Evidence, RunEnd, RunError } from './run-schema.ts'

/** A run as far as it has come. */
export type Course = {
  port: StepPort
  run: Begun
  reader: Reader
  values: Values
  plan: Plan
  analysed: Analysed
  isTainted: boolean
  /** What the person agreed to, by the path of the step. */
  agreed: Map<string, Record<string, unknown>>
  /** Steps they were asked about. */
  asked: Set<string>
  /** What they chose in place of the actions. */
  instead?: readonly Step[]
  suggestionIds: string[]
  /** What was withheld, and so left undone. */
  unsaid: string[]
  isAccepted: boolean | null
  evidence: Evidence[]
  /** What was done without asking, and is told. */
  told: string[]
}

/** The run cannot go on: what it did is taken back. */
export class Failed extends Error {
  readonly told: RunError
  constructor(told: RunError) {
    super(told.detail)
    this.told = told
  }
}

/** The run ends here, and what it did stays. */
export class Over extends Error {
  readonly end: Pick<RunEnd, 'status' | 'outcome' | 'reason'>
  constructor(end: Over['end']) {
    super(end.reason ?? end.outcome)
    this.end = end
  }
}

/** The run is over for this instance, which does nothing more. */
export class Stopped extends Error {}

/** The same however many instances do it. */
export const keyOf = (run: Pick<Begun, 'id'>, path: string): string => `${run.id}:${path}`

/** What an instance before this one had found out at a step, as JSON. */
export const keptOf = ({ kept }: Pick<Begun, 'kept'>, step: string): string | undefined =>
  Object.hasOwn(kept, step) ? kept[step] : undefined

/** What a step found out, once for all instances of a run: a step in words of its own, `:gather`, is no author's. */
export async function once<T>(
  { port, run }: Pick<Course, 'port' | 'run'>,
  doing: Pick<Doing, 'step' | 'kind'>,
  work: (world: World) => Promise<T>,
  tell: (found: T) => Partial<Doing> = () => ({}),
): Promise<T> {
  const known = keptOf(run, doing.step)
  if (known !== undefined) return JSON.parse(known)
  const kept = await port.step(doing.step, async (world) => {
    const found = await work(world)
    return await world.keep({ status: 'done', ...doing, ...tell(found) }, JSON.stringify(found))
  })
  if (kept === null) throw new Stopped()
  return JSON.parse(kept)
}

/** Says where the run is; ends this instance where it is no longer its own. */
export async function mark(
  { port }: Pick<Course, 'port'>,
  name: string,
  what: Parameters<World['mark']>[0],
): Promise<void> {
  if (!(await port.step(name, (world) => world.mark(what)))) throw new Stopped()
}
