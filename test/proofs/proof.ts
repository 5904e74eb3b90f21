import type { Sabotage, World } from '../world.ts'

export type ProofOptions = {
  /** Chooses every case that is left to chance. */
  seed: number
  /** The share of the full number of cases: 1 in `npm run proofs`, less in `npm test`. */
  share: number
}

/** Settings of the world that proofs look at: what webhooks post to is on this machine. */
export const PROOF_VARS = { ALLOW_LOOPBACK_URLS: 'true' }

/** `notes` are told beside the numbers. */
export type Outcome = { cases: number; violations: string[]; notes?: string[] }

/** Something measured of the whole system, with the changes to it that must be noticed. */
export type Proof = {
  id: number
  name: string
  /** Short enough, at a small share, for every test run. */
  fast: boolean
  sabotages: Record<string, Sabotage[]>
  run(world: World, options: ProofOptions): Promise<Outcome>
}

/** `count` at this share, but never none. */
export const scaled = (count: number, share: number): number => Math.max(1, Math.round(count * share))

const MAX_SHOWN = 10

export function summary(proof: Proof, { cases, violations }: Outcome, seed: number): string {
  return `${proof.name}: ${cases} cases, ${violations.length} violations, seed ${seed}`
}

/** The first violations, one a line. */
export function firstOf(violations: string[]): string[] {
  const more = violations.length - MAX_SHOWN
  return [...violations.slice(0, MAX_SHOWN), ...(more > 0 ? [`… and ${more} more`] : [])]
}
