import { createHash } from 'node:crypto'
import type { Config } from '#config'
import type { Kind } from './call.ts'

const SIDES = 10_000

type Place = { id: string; model: string; variant: 'variant' | 'control' }

/** The experiment a person's call of this kind belongs to, and on which side: always the same one. */
export function placeIn(config: Config, kind: Kind, userId: string): Place | undefined {
  const experiment = config.ai.experiments.find((one) => one.kind === kind)
  if (!experiment) return undefined
  const digest = createHash('sha256').update(`${experiment.id}\n${userId}`, 'utf8').digest()
  const side = digest.readUInt32BE(0) % SIDES
  const { id, model, share } = experiment
  return { id, model, variant: side < share * SIDES ? 'variant' : 'control' }
}
