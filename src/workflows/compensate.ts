import { type Course, once } from './course.ts'
import { type Definition, stepsOf } from './definition.ts'
import { isHarmless } from './plan.ts'
import type { Begun, Notice, Standing, StepPort } from './ports.ts'
import type { Parked, RunEnd, RunError } from './run-schema.ts'
import { actsIn, idOf } from './walk.ts'

/** Kept by name: an instance that comes after this one goes on here, and does nothing a second time. */
export const TAKING_BACK = ':take back'

type Way = Pick<Course, 'port' | 'run'>

/**
 * Takes back what the run did, the newest first, each tried again until it is done. What cannot be taken back waits for
 * the person, who is told: nothing is passed over in silence.
 */
export async function takeBack(
  way: Way,
  why: RunError,
): Promise<Pick<RunEnd, 'status' | 'outcome' | 'reason' | 'error' | 'parked'>> {
  const { port, run } = way
  const error = await once(
    way,
    { step: TAKING_BACK, kind: 'take_back' },
    async () => why,
    ({ detail }) => ({ says: detail }),
  )
  const standing = await once(way, { step: ':standing', kind: 'take_back' }, (world) => world.standing())
  const stays = staying(run.definition)
  const toUndo = standing.filter(({ step, kind }) => !stays.has(idOf(step)) && !isHarmless(kind))
  const parked: Parked[] = []
  for (const one of toUndo) {
    const reason = await undo(port, one)
    if (reason !== null) parked.push({ step: one.step, effectId: one.effectId, says: one.says, reason })
  }
  if (error.code === 'unknown' && !parked.some(({ step }) => step === error.step))
    parked.push({ step: error.step ?? '', effectId: null, says: error.detail, reason: 'It may have been done' })
  if (parked.length > 0) await port.step(':park', (world) => world.tell(noticeOf(run, error, parked)))
  const isClean = parked.length === 0 && toUndo.length > 0
  return {
    ...(isClean ? { status: 'compensated', outcome: 'undone' } : { status: 'failed', outcome: 'failed' }),
    reason: error.code,
    error,
    parked,
  }
}

/** Why it could not be taken back, or null. */
async function undo(port: StepPort, { effectId, step, kind }: Standing): Promise<string | null> {
  try {
    return await port.step(`${step}:undo`, async (world) => {
      const { status, says } = await world.undo(effectId)
      if (status === 'failed') throw new Error(says)
      const isUndone = status === 'undone' || status === 'cancelled' || status === 'already'
      await world.amend({ step, kind, status: isUndone ? 'compensated' : 'irreversible' })
      return isUndone ? null : says
    })
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, 300)
  }
}

function noticeOf({ id, name }: Begun, { detail }: RunError, parked: Parked[]): Notice {
  const list = parked.map(({ says, reason }) => `${says} (${reason})`).join('; ')
  return {
    key: `run-parked:${id}`,
    title: `"${name}" failed and could not take everything back`,
    body: `${detail}. Left as it is: ${list}`,
    isAlert: true,
  }
}

/** The ids of steps whose author said that they stay. */
function staying(definition: Definition): Set<string> {
  return new Set(actsIn(stepsOf(definition)).flatMap(({ id, compensate }) => (compensate === 'none' ? [id] : [])))
}
