import type { Config } from '#config'
import { AppError } from '#core'
import type { Call, Decision, Kind } from './call.ts'
import { type Ability, catalogueOf, findModel, type Model } from './catalogue.ts'
import { aboutTokens, difficultyOf } from './difficulty.ts'
import { placeIn } from './experiments.ts'
import type { PlanName } from './schema.ts'

/** What a person may spend: `leftShare` is what is left of the tightest limit, 0 to 1. */
export type Standing = { plan: PlanName; leftShare: number }

/** The models to try, the first one first. */
export type Choice = { decision: Decision; models: [Model, ...Model[]] }

export type Chooser = {
  config: Config
  id: string
  /** Experiments are drawn by it: one person is always on one side. */
  userId: string
  standing: Standing
  isAway(model: Model): boolean
}

type Tier = Model['tier']
// Work whose answer is short and checked is easier than it looks; work that is judged is harder.
const LEAN: Record<Kind, number> = {
  chat: 0,
  classify: -0.2,
  extract: -0.2,
  summarise: -0.1,
  draft: 0.15,
  analyse: 0.2,
  embed: 0,
  transcribe: 0,
  speak: 0,
}
const ABLE_FROM = 0.15
const MOST_ABLE_FROM = 0.6
const LOW_SHARE = 0.1
const MAX_CANDIDATES = 5
const HIGHEST: Record<PlanName, Tier> = { free: 2, pro: 3, max: 3, teams: 3 }

/**
 * Which model, and why: by kind of work, difficulty, plan, what is left of the budget, context length and health;
 * the same one within a conversation, as long as it will do. `unavailable` when none can take the request, `not_found`
 * for a name the catalogue does not have, `invalid_request` where none of those has an ability that is needed.
 */
export function choose(by: Chooser, call: Call): Choice {
  const { score, parts } = difficultyOf(call.request)
  const decide = (models: Model[], reasons: string[], experiment: Decision['experiment'] = null): Choice => {
    const [first, ...others] = models
    if (!first) throw new AppError('unavailable', 'No model can take this request')
    const { provider, name: model } = first
    const { id } = by
    const cache = { cache: 'off' as const, cacheReason: '' }
    const decision = { id, provider, model, kind: call.kind, difficulty: score, parts, reasons, ...cache, experiment }
    return { decision, models: [first, ...others] }
  }
  if (call.model !== undefined) {
    const named = findModel(by.config, call.model)
    if (!named) throw new AppError('not_found', `There is no model ${call.model.slice(0, 100)}`)
    const [lack] = lacking(named, call)
    if (lack) throw unable(lack)
    return decide([{ ...named, name: call.model }], ['the client asked for it by name'])
  }
  const reasons: string[] = []
  const wanted = tierFor(by, call.kind, score, reasons)
  const fitting = eligible(by.config, call, reasons)
  const ranked = rank(by, fitting, wanted)
  const tried = placeIn(by.config, call.kind, by.userId)
  const variant = tried?.variant === 'variant' ? fitting.find(({ name }) => name === tried.model) : undefined
  const experiment = tried ? { id: tried.id, variant: variant ? 'variant' : 'control' } : null
  const kept = variant ? undefined : sticky(by, call, ranked, wanted)
  const first = variant ?? kept ?? ranked[0]
  if (variant) reasons.push(`experiment ${tried?.id}: this person is on its side`)
  else if (kept) reasons.push('answered in this conversation before: its prompt cache lives')
  else if (first) reasons.push(`the first model of tier ${first.tier}, for a wanted tier of ${wanted}`)
  const away = ranked.filter((model) => by.isAway(model)).map(({ name }) => name)
  if (away.length > 0) reasons.push(`away: ${away.join(', ')}`)
  return decide(candidates(first, ranked), reasons, experiment)
}

function tierFor({ standing }: Chooser, kind: Kind, score: number, reasons: string[]): Tier {
  const leaned = score + LEAN[kind]
  const by = leaned >= MOST_ABLE_FROM ? 3 : leaned >= ABLE_FROM ? 2 : 1
  reasons.push(`${kind} of difficulty ${score}: tier ${by}`)
  const most = standing.leftShare < LOW_SHARE ? 1 : HIGHEST[standing.plan]
  if (by <= most) return by
  reasons.push(most === 1 ? 'little is left of the budget: tier 1' : `the plan ${standing.plan} goes to tier ${most}`)
  return most
}

// One model for each tier of each provider, the first of the catalogue; older ones are asked for by name only.
function eligible(config: Config, { request }: Call, reasons: string[]): Model[] {
  const needed = aboutTokens(request) + request.maxOutputTokens
  const all = catalogueOf(config)
  const able = all.filter((model) => lacking(model, { request }).length === 0)
  const [lack] = all.flatMap((model) => lacking(model, { request }))
  if (able.length === 0 && lack) throw unable(lack)
  if (lack) reasons.push(`not every model can do ${lack}`)
  const newest = able.filter((model, index) => able.findIndex((other) => isPeer(model, other)) === index)
  const fitting = newest.filter(({ contextTokens }) => contextTokens >= needed)
  if (fitting.length < newest.length) reasons.push(`about ${needed} tokens do not fit every model`)
  return fitting
}

function lacking({ abilities }: Model, { request }: Pick<Call, 'request'>): Ability[] {
  const { format = 'text', tools } = request
  const needed: Ability[] = [
    ...(format === 'text' ? [] : ['json' as const]),
    ...(tools.length > 0 ? ['tools' as const] : []),
  ]
  return needed.filter((ability) => !abilities.includes(ability))
}

const unable = (ability: Ability) =>
  new AppError('invalid_request', `No model that may be asked here can do ${ability === 'json' ? 'JSON' : ability}`)

const isPeer = (a: Model, b: Model) => a.provider === b.provider && a.tier === b.tier

// Health first, then the nearest tier (of two as near, the abler), then the order of the providers. Whoever names the
// rules before any model wants them to answer.
function rank(by: Chooser, models: Model[], wanted: Tier): Model[] {
  const [preferred] = by.config.ai.providers
  const distance = ({ tier }: Model) => 2 * Math.abs(tier - wanted) + (tier < wanted ? 1 : 0)
  const isRules = ({ provider }: Model) => provider === 'offline' && preferred === 'offline'
  const cost = (model: Model) => (by.isAway(model) ? 100 : 0) + (isRules(model) ? 0 : distance(model))
  return models.toSorted((a, b) => cost(a) - cost(b))
}

function sticky(by: Chooser, call: Call, ranked: Model[], wanted: Tier): Model | undefined {
  const kept = ranked.find(({ name }) => name === call.previousModel)
  if (!kept || by.isAway(kept) || kept.tier < wanted) return undefined
  return by.standing.leftShare < LOW_SHARE && kept.tier > wanted ? undefined : kept
}

// After the chosen one: another provider's best, since what is away is mostly a whole provider; then what is cheaper.
function candidates(first: Model | undefined, ranked: Model[]): Model[] {
  if (!first) return []
  const others = ranked.filter((model) => model !== first)
  const elsewhere = others.filter(({ provider }) => provider !== first.provider)
  const cheaper = others.filter((model) => model.provider === first.provider && model.tier < first.tier)
  return [first, ...elsewhere, ...cheaper].slice(0, MAX_CANDIDATES)
}
