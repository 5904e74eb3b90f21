import type { PlanName } from './schema.ts'

/** Micro-dollars a UTC day and a UTC month. */
export type Limits = { day: number; month: number }
/** What a plan lets be spent on models: for what the person asks, and for work nobody asked for. */
export type Plan = { own: Limits; background: Limits }

const MICROS = 1_000_000
// Of the price of a plan: the rest pays for everything else.
const AI_SHARE = 3
const BACKGROUND_SHARE = 5
// Five full days use up a month: a long day is let be, a runaway is not.
const FULL_DAYS = 5

function plan(dollarsAMonth: number): Plan {
  const month = Math.floor((dollarsAMonth * MICROS) / AI_SHARE)
  const background = Math.floor(month / BACKGROUND_SHARE)
  return { own: limits(month - background), background: limits(background) }
}

const limits = (month: number): Limits => ({ day: Math.ceil(month / FULL_DAYS), month })

// The product's prices, a seat where there are seats; nobody pays for the free plan, which is given a dollar's worth.
export const PLANS: Record<PlanName, Plan> = {
  free: plan(3),
  pro: plan(50),
  max: plan(100),
  teams: plan(70),
}
